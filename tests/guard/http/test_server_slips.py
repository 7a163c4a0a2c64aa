"""A server that answers wrongly over HTTP: the caller is told at once, no breaker counts it, and the guard stays ready."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from guard.decide.answers import INCIDENT_HEADER, ORIGIN_FAILED
from guard.http.origin_breaker import FAILURES
from tests.support.guard_messages import ATTACK, call, result, session_of
from tests.support.guard_service import LEGACY, Origin, answer_of, guarded, sse
from tests.support.raw_http import answering
from tests.support.waiting import eventually

HEAD = '{"jsonrpc":"2.0","id":%s,'


def raw(text: str, status: int = 200, **headers: str) -> Callable[[dict[str, Any]], Response]:
    """A JSON answer of this text; `%s` in it is the request's id."""

    def reply(message: dict[str, Any]) -> Response:
        content = text.replace("%s", json.dumps(message["id"])).encode("latin-1")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(content, status, sent, media_type="application/json")

    return reply


def streamed(text: str) -> Callable[[dict[str, Any]], Response]:
    def reply(message: dict[str, Any]) -> Response:
        return sse(f"data: {text.replace('%s', json.dumps(message['id']))}\r\n\r\n")

    return reply


SLIPS = [
    (HEAD + '"result":{"structuredContent":{"mean":NaN}}}', "origin_malformed", "/result/structuredContent/mean"),
    (HEAD + '"result":{"content":[],"content":[]}}', "origin_malformed", "/result/content"),
    (HEAD + '"result":{"mean":1e400}}', "origin_malformed", "/result/mean"),
    (HEAD + '"result":' + '{"a":' * 70 + "1" + "}" * 71, "origin_malformed", "64 levels"),
    (HEAD + '"result":{"text":"a\tb"}}', "origin_malformed", "not JSON"),
    (HEAD + '"result":{"content":[]},"error":{"code":1,"message":"x"}}', "origin_malformed", "a result and an error"),
    (HEAD + '"error":{"code":"ENOENT","message":"x"}}', "origin_malformed", "code"),
    (HEAD + '"result":null}', "origin_malformed", "/result"),
    (HEAD + '"result":"done"}', "origin_malformed", "result is not an object"),
    (HEAD.replace("%s", '"7"') + '"result":{"content":[]}}', "origin_wrong_id", "the id is a string"),
    (HEAD.replace("%s", "0") + '"result":{"content":[]}}', "origin_wrong_id", "/id"),
    ("[" + HEAD + '"result":{"content":[]}}]', "origin_malformed", "an array"),
    ("<html>busy</html>", "origin_malformed", "not JSON"),
    ("", "origin_malformed", "not JSON"),
]


@pytest.mark.parametrize("form", [raw, streamed])
async def test_a_slip_is_told_by_kind_to_the_caller_and_by_place_to_the_log(form: Any, tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        for text, reason, detail in SLIPS:
            if form is streamed and not text:
                continue  # an event without data is no message
            origin.replies["tools/call"] = form(text)
            response = await guard.post(call(7))
            refusal = answer_of(response, 7)["error"]
            record = guard.records()[-1]
            assert response.status_code == 200
            assert (refusal["code"], refusal["data"]["reason"]) == (-31004, reason), text
            assert refusal["message"].endswith(f"It may have been executed. Incident {record['incident']}.")
            assert (record["decision"], record["reason"]) == ("error", reason)
            assert detail in record["problem"]
            assert "busy" not in record["problem"]
        assert len(SLIPS) > 2 * FAILURES
        assert not guard.service.runtime.origin.is_open
        assert guard.service.runtime.readiness()["ready"] is True
        del origin.replies["tools/call"]
        assert "result" in await guard.call("search")


@pytest.mark.parametrize("form", [raw, streamed])
@pytest.mark.parametrize(
    ("method", "text", "shown"),
    [
        ("tools/call", HEAD + '"result":{"content":[]},"error":null}', {"content": []}),
        (
            "tools/call",
            '\xef\xbb\xbf{"result":{"content":[]},"_meta":{"took":1},"jsonrpc":"2.0","id":%s}',
            {"content": []},
        ),
        ("tools/call", HEAD + '"result":{"content":[{"type":"text","text":"tools \\ud83d"}]}}', result("tools \ufffd")),
        ("ping", HEAD + '"result":null}', {}),
        ("ping", HEAD + '"result":[]}', {}),
        ("logging/setLevel", HEAD + '"result":null}', {}),
    ],
)
async def test_an_answer_of_one_meaning_passes(form: Any, method: str, text: str, shown: Any, tmp_path: Path) -> None:
    if form is streamed:
        text = text.removeprefix("\xef\xbb\xbf")
    origin = Origin(replies={method: form(text)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        params: dict[str, dict[str, Any]] = {
            "tools/call": {"name": "search", "arguments": {}},
            "logging/setLevel": {"level": "info"},
        }
        assert (await guard.request(method, params.get(method)))["result"] == shown


async def test_what_stands_beside_half_a_pair_is_inspected_as_it_is_shown(tmp_path: Path) -> None:
    text = HEAD + '"result":{"content":[{"type":"text","text":"\\ud83d ' + ATTACK.replace("i", "\\u0069") + '"}]}}'
    origin = Origin(replies={"tools/call": raw(text)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["result"]["isError"] is True


async def test_null_is_an_absent_member_of_a_request_and_the_server_gets_the_usual_form(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        ready = await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized", "params": None})
        assert ready.status_code == 202
        assert "result" in await guard.request("tools/list", {"cursor": None})
        asked = {"name": "search", "arguments": None, "task": None, "_meta": None}
        assert "result" in await guard.request("tools/call", asked)
        assert origin.calls[-1]["params"] == {"name": "search", "arguments": {}}
        cut = json.dumps(call(5, text="x \ud83d")).encode()
        assert "result" in (await guard.post(b"\xef\xbb\xbf" + cut + b"\r\n")).json()
        assert origin.calls[-1]["params"]["arguments"] == {"text": "x \ufffd"}
        modern = await guard.modern("tools/call", {"name": "search", "arguments": None})
        assert "result" in modern.json()


# -- streams ----------------------------------------------------------------------------------------------------------


async def test_an_answer_under_a_wrong_id_ends_the_wait_although_the_stream_stays_open(tmp_path: Path) -> None:
    forever = asyncio.Event()

    async def stay() -> None:
        await forever.wait()

    origin = Origin(replies={"tools/call": lambda _: sse({"jsonrpc": "2.0", "id": "7", "result": {}}, then=stay)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await asyncio.wait_for(guard.post(call(7)), 30)
        forever.set()
        assert answer_of(response, 7)["error"]["data"]["reason"] == "origin_wrong_id"


async def test_a_malformed_notification_costs_itself_alone_and_a_question_is_refused(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: sse(
        'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":NaN}}\n\n',
        'data: {"jsonrpc":"2.0","id":"q","method":"roots/list","params":{"x":1,"x":2}}\n\n',
        {"jsonrpc": "2.0", "id": m["id"], "result": result("done")},
    )
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["result"] == result("done")

        def told() -> list[dict[str, Any]]:
            return [
                body for verb, _, content in origin.seen if verb == "POST" and "error" in (body := json.loads(content))
            ]

        refusal = await eventually(told, "the server is told")
        assert (refusal[0]["id"], refusal[0]["error"]["code"]) == ("q", -32700)


async def test_a_resumed_stream_tells_of_the_answer_that_cannot_be_read(tmp_path: Path) -> None:
    origin = Origin(replies={"tools/call": lambda _: sse("id: e-1\ndata:\n\n")})

    async def get(_: Any) -> Response:
        return sse('data: {"jsonrpc":"2.0","id":31,"result":{"mean":NaN}}\n\n')

    origin.get = get
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        cursor = (await guard.post(call(31))).text.splitlines()[0].removeprefix("id: ")
        resumed = await guard.client.get("/mcp", headers={**session_of(guard), "last-event-id": cursor})
        assert answer_of(resumed, 31)["error"]["data"]["reason"] == "origin_malformed"


async def test_a_stream_that_is_not_utf_8_is_a_slip(tmp_path: Path) -> None:
    async def body() -> Any:
        yield b"data: \xff\n\n"

    origin = Origin(replies={"tools/call": lambda _: StreamingResponse(body(), media_type="text/event-stream")})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["error"]["data"]["reason"] == "origin_malformed"


# -- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 406, 415])
async def test_a_refusal_under_an_id_of_the_servers_own_keeps_its_status(status: int, tmp_path: Path) -> None:
    body = '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}'
    origin = Origin(replies={"ping": raw(body, status)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        for _ in range(FAILURES + 1):
            response = await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            assert response.status_code == status
            assert response.json()["id"] == 1
        # After the 404 the session is over for the guard too.
        assert ("ping", "error", f"origin_{status}") in guard.reasons()
        assert (len(origin.calls) == 1) is (status == 404)
        assert not guard.service.runtime.origin.is_open
        await eventually(lambda: guard.service.runtime.readiness()["ready"], "the guard is ready")


async def test_initialize_with_the_id_of_an_ended_session_begins_another(tmp_path: Path) -> None:
    origin = Origin()
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    async with guarded(origin, tmp_path) as guard:
        begun = await guard.post(body, {"mcp-session-id": "from-before-the-restart"})
        assert begun.headers["mcp-session-id"] == "s-1"
        # The guard's own looks are sent meanwhile, under other ids.
        (sent,) = [headers for verb, headers, sent in origin.seen if verb == "POST" and json.loads(sent) == body]
        assert "mcp-session-id" not in sent
        guard.session = "s-1"
        assert (await guard.call("search"))["result"]
        again = await guard.post(body, session_of(guard))
        assert again.status_code == 400
        assert "initialized once" in again.json()["error"]["message"]


# -- HTTP itself ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_server_that_compresses_all_the_same_is_read(encoding: str, compress: Any, tmp_path: Path) -> None:
    def reply(message: dict[str, Any]) -> Response:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result("x" * 1000)})
        if message["method"] == "tools/call":
            return Response(compress(body.encode()), 200, {"content-encoding": encoding}, media_type="application/json")
        body = body.replace(json.dumps(result("x" * 1000)), "{}")
        return Response(
            compress(f"data: {body}\n\n".encode()), 200, {"content-encoding": encoding}, media_type="text/event-stream"
        )

    origin = Origin(replies={"tools/call": reply, "ping": reply})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(1))
        assert response.json()["result"] == result("x" * 1000)
        assert "content-encoding" not in response.headers
        assert (await guard.request("ping"))["result"] == {}


@pytest.mark.parametrize("media_type", ["application/json", "text/event-stream"])
async def test_a_body_that_grows_without_end_is_too_large_and_nothing_worse(media_type: str, tmp_path: Path) -> None:
    bomb = gzip.compress(b"data: " + bytes(256 * 2**20), 1)
    origin = Origin(replies={"tools/call": lambda _: Response(bomb, 200, {"content-encoding": "gzip"}, media_type)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert "executed" in str(await guard.call("search"))
        assert guard.reasons()[-1][2] == "result_too_large"


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (raw("x", content_encoding="br"), "origin_encoding", "with br"),
        (raw("no gzip", content_encoding="gzip"), "origin_encoding", "not compressed as its header says"),
        (
            raw("", 307, location="http://127.0.0.1:8000/mcp/?x=1"),
            "origin_redirects",
            "redirects to http://127.0.0.1:8000/mcp/",
        ),
        (raw("", 302), "origin_redirects", "does not name"),
        (raw("{}", www_authenticate="x" * 70_000), "origin_header", "longer than"),
    ],
)
async def test_an_answer_that_http_itself_makes_unusable_says_how(
    reply: Any, reason: str, detail: str, tmp_path: Path
) -> None:
    origin = Origin(replies={"tools/call": reply})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        for _ in range(FAILURES + 1):
            assert (await guard.call("search"))["error"]["data"]["reason"] == reason
        assert detail in guard.records()[-1]["problem"]
        assert "x=1" not in guard.records()[-1]["problem"]
        assert not guard.service.runtime.origin.is_open


async def test_a_session_id_that_no_client_could_send_back_is_an_error_at_initialize(tmp_path: Path) -> None:
    origin = Origin(session="s" * 1500)
    async with guarded(origin, tmp_path) as guard:
        answer = await guard.initialize()
        assert answer["error"]["data"]["reason"] == "origin_header"
        assert "1500 characters" in guard.records()[-1]["problem"]
        assert "Mcp-Session-Id" in guard.records()[-1]["problem"]
        assert guard.session is None


async def test_a_large_header_that_is_not_passed_on_costs_nothing(tmp_path: Path) -> None:
    origin = Origin(replies={"tools/call": raw(HEAD + '"result":{"content":[]}}', set_cookie="a=" + "x" * 9000)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(1))
        assert response.json()["result"] == {"content": []}
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize("answer", [result("late"), None])
async def test_a_long_call_of_a_json_server_sends_the_client_a_byte_now_and_then(answer: Any, tmp_path: Path) -> None:
    """Cloudflare cuts a response that is silent for 100 s, and the client would repeat a call that still runs."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(message: dict[str, Any]) -> Any:
        begun.set()
        await finish.wait()
        return answer if answer else raw("{}", 404)(message)

    origin = Origin(replies={"tools/call": slow})
    async with guarded(origin, tmp_path, keep_alive=0.05) as guard:
        await guard.initialize()
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **session_of(guard),
        }
        async with guard.client.stream("POST", "/mcp", json=call(7), headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(4)] == [":", "", ":", ""]
            assert begun.is_set()
            finish.set()
            message = json.loads(next(line for line in [line async for line in lines] if line[:6] == "data: ")[6:])
        assert message["id"] == 7
        assert ("result" in message) is (answer is not None)
        plain = {**headers, "accept": "application/json"}
        whole = await guard.client.post("/mcp", json=call(8), headers=plain)
        assert whole.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", ["600", "999", "000", "099", "101", "1000", "20", "2x0"])
async def test_a_status_that_no_answer_has_is_a_failed_server_and_no_broken_connection(
    tmp_path: Path, status: str
) -> None:
    async with (
        answering(f"HTTP/1.1 {status} X".encode()) as port,
        guarded(Origin(), tmp_path, origin={"url": f"http://127.0.0.1:{port}/mcp"}) as guard,
    ):
        response = await guard.post(call(7))
        refusal = answer_of(response, 7)["error"]
        assert (response.status_code, refusal["code"]) == (200, -31004)
        assert refusal["data"]["incident"] == guard.records()[-1]["incident"]
        told = await guard.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        listened = await guard.client.get("/mcp", headers={"accept": "text/event-stream"})
        for refused in (told, listened):
            assert refused.status_code == ORIGIN_FAILED
            assert refused.headers[INCIDENT_HEADER] in {record["incident"] for record in guard.records()}
