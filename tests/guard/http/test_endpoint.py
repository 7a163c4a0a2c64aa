"""The endpoint over real HTTP: bodies, verbs, sessions, batches, and what a client is answered when it goes no further."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response, StreamingResponse

from guard.http.upstream import HttpUpstream
from model.canonical import canonical_json
from model.server import Origin as OriginSettings
from tests.guard.test_verified_road import identity, person
from tests.support.guard_messages import ATTACK, call, result, session_of
from tests.support.guard_service import LEGACY, MODERN, Origin, answer_of, guarded, sse, tool
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import LIFETIMES
from wire.json import MAX_DEPTH


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","name":"delete"}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\xff"}}', -32700),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}}",
            -32700,
        ),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","smuggled":"text"}', -32600),
        (b"[" + json.dumps(call(1)).encode() + b"]", -32600),
        (b'"ping"', -32600),
        (b"", -32700),
    ],
)
async def test_a_body_with_two_meanings_reaches_no_server(tmp_path: Path, body: bytes, code: int) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        response = await guard.post(body, {"mcp-protocol-version": LEGACY})
        assert response.status_code == 400
        assert response.json()["error"]["code"] == code
        assert guard.origin.calls == []


async def test_a_body_far_over_the_limit_is_not_read_to_its_end_with_or_without_its_length(tmp_path: Path) -> None:
    async def chunks() -> Any:
        for _ in range(5):
            yield b" " * 1024

    async with guarded(Origin(), tmp_path, limits={"body_kilobytes": 1}) as guard:
        assert (await guard.post(json.dumps(call(1, text="x" * 5000)).encode())).status_code == 413
        headers = {"content-type": "application/json"}
        assert (await guard.client.post("/mcp", content=chunks(), headers=headers)).status_code == 413
        assert guard.origin.calls == []


async def test_the_client_hears_httpx_errors_of_no_kind(tmp_path: Path) -> None:
    """A query, a foreign verb and an unknown path are plain HTTP refusals."""
    async with guarded(Origin(), tmp_path) as guard:
        answers: list[httpx.Response] = [
            await guard.client.post("/mcp?token=x", json=call(1)),
            await guard.client.put("/mcp", json=call(1)),
            await guard.client.options("/mcp"),
        ]
        assert [response.status_code for response in answers] == [400, 405, 405]


async def test_health_answers_whatever_host_is_named(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        assert (await guard.client.get("/healthz", headers={"host": "anything"})).status_code == 200
        assert (await guard.client.get("/other")).status_code == 404


async def test_a_denied_principal_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, denied=frozenset({"person:ada"})) as guard:
        assert (await guard.post(b"not even json")).status_code == 403
        assert guard.records()[-1]["reason"] == "denied"


async def test_what_is_refused_before_there_is_a_message_is_in_the_audit_log(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    async with guarded(Origin(), tmp_path, identity=identity(issuer)) as guard:
        await guard.post(call(1), {**person(issuer, "bob"), "mcp-session-id": "stolen"})
        last = guard.records()[-1]
        assert (last["reason"], last["principal"]) == ("unknown_session", "person:bob")
        await guard.post(call(1), {**person(issuer), "host": "evil.example"})
        assert guard.records()[-1]["reason"] == "foreign_host"


async def test_a_call_whose_token_expires_meanwhile_is_401(tmp_path: Path, issuer: TokenIssuer) -> None:
    origin = Origin()
    over = asyncio.Event()

    async def reply(_: dict[str, Any]) -> dict[str, Any]:
        await over.wait()
        return result("late")

    origin.replies["tools/call"] = reply
    async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
        for lifetime in LIFETIMES:
            response = await guard.post(call(2), person(issuer, exp=int(time.time()) + lifetime))
            if origin.calls:
                break
        assert (response.status_code, response.json()["error"]["code"]) == (401, -31005)
        assert guard.reasons()[-1] == ("http", "refuse", "expired")
        over.set()


async def test_a_session_that_is_not_ones_own_is_not_found(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        response = await guard.post(call(1), {"mcp-session-id": "somebody-elses", "mcp-protocol-version": LEGACY})
        assert response.status_code == 404
        for verb in ("GET", "DELETE"):
            response = await guard.client.request(verb, "/mcp", headers={"mcp-session-id": "somebody-elses"})
            assert response.status_code == 404
        assert guard.origin.calls == []


async def test_a_session_ends_with_delete(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        headers = {"mcp-session-id": guard.session or ""}
        assert (await guard.client.delete("/mcp", headers=headers)).status_code == 200
        assert (await guard.post(call(1))).status_code == 404


async def test_a_session_the_guard_did_not_bind_is_not_handed_out(tmp_path: Path) -> None:
    origin = Origin()

    def reply(message: dict[str, Any]) -> Response:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result("x")})
        return Response(body, media_type="application/json", headers={"mcp-session-id": "another"})

    origin.replies["tools/call"] = reply
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert guard.session == "s-1"
        assert "mcp-session-id" not in (await guard.post(call(1))).headers
        origin.session = "two words"
        guard.session = None
        await guard.initialize()
        assert guard.session is None


async def test_an_event_id_opens_nobody_elses_stream(tmp_path: Path, issuer: TokenIssuer) -> None:
    origin = Origin(session=None)
    cursors_sent: list[str | None] = []

    async def get(request: Any) -> Any:
        cursors_sent.append(request.headers.get("last-event-id"))
        return sse("id: 7\ndata:\n\n")

    origin.get = get
    async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
        ada, bob = person(issuer), person(issuer, "bob")
        cursor = (await guard.client.get("/mcp", headers=ada)).text.splitlines()[0].removeprefix("id: ")
        for headers in ({**bob, "last-event-id": cursor}, {**bob, "last-event-id": "7"}):
            assert (await guard.client.get("/mcp", headers=headers)).status_code == 400
        assert (await guard.client.get("/mcp", headers={**ada, "last-event-id": cursor})).status_code == 200
        assert cursors_sent == [None, "7"]


async def test_a_batch_belongs_to_2025_03_26_alone_and_every_part_is_judged(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        batch = [
            call(1, text="a"),
            call(2, "never"),
            call(3, text=ATTACK),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
        ]
        session = {"mcp-session-id": guard.session or ""}
        assert (await guard.post(batch, {**session, "mcp-protocol-version": "2025-06-18"})).status_code == 400
        response = await guard.post(batch, {**session, "mcp-protocol-version": "2025-03-26"})
        assert answer_of(response, 1)["result"] == result("done")
        assert answer_of(response, 2)["error"]["code"] == -32602
        assert answer_of(response, 3)["result"]["isError"] is True
        assert [entry["method"] for entry in guard.origin.calls] == ["tools/call"]


async def test_a_servers_question_is_answered_once_and_again_only_if_the_answer_did_not_arrive(tmp_path: Path) -> None:
    origin = Origin()
    over = asyncio.Event()

    async def get(_: Any) -> Any:
        return sse({"jsonrpc": "2.0", "id": "q1", "method": "roots/list"}, then=over.wait)  # type: ignore[arg-type]

    origin.get = get
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers=session_of(guard)) as stream:
            lines = stream.aiter_lines()
            await anext(line async for line in lines if line.startswith("data: {"))
            answer = {"jsonrpc": "2.0", "id": "q1", "result": {"roots": []}}
            runtime, away = guard.service.runtime, HttpUpstream(OriginSettings(url="http://127.0.0.1:1/mcp"))
            near, runtime.upstream = runtime.upstream, away
            assert (await guard.post(answer)).status_code == 424
            runtime.upstream = near
            assert [(await guard.post(answer)).status_code for _ in range(2)] == [202, 400]
            assert len([message for message in guard.origin.calls if "result" in message]) == 1
            over.set()


async def test_canonical_json_of_a_call_survives_the_road(tmp_path: Path) -> None:
    schema = {"type": "object"}
    async with guarded(Origin(tools=[tool("search", inputSchema=schema)]), tmp_path) as guard:
        await guard.initialize()
        arguments = {"z": 1.5, "a": [True, None, 10**30, -0.0, "\u2028\x7f\U0001f600"], "": {"k": 1e-7}}
        await guard.call("search", arguments)
        assert canonical_json(guard.origin.calls[-1]["params"]["arguments"]) == canonical_json(arguments)


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_2026_has_neither_get_nor_delete(tmp_path: Path, verb: str) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        response = await guard.client.request(verb, "/mcp", headers={"mcp-protocol-version": MODERN})
        assert response.status_code == 405


async def test_a_client_that_goes_cancels_the_server(tmp_path: Path) -> None:
    origin = Origin()
    began, ended = asyncio.Event(), asyncio.Event()

    def reply(_: Any) -> Any:
        async def body() -> Any:
            began.set()
            try:
                while True:
                    yield b": thinking\n\n"
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        return StreamingResponse(body(), media_type="text/event-stream")

    origin.replies["tools/call"] = reply
    async with guarded(origin, tmp_path) as guard:
        calling = asyncio.ensure_future(guard.modern("tools/call", {"name": "search", "arguments": {}}))
        await began.wait()
        calling.cancel()
        await asyncio.wait_for(ended.wait(), 30)
        assert guard.service.runtime.streaming == 0
