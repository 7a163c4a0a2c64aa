"""The road as an attacker walks it: a caller with few rights, or the server itself, who knows every rule of MCP."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from guard.bundle.bundle import Opened
from guard.inspect.content import content_of
from model.guard_config import GuardConfig
from tests.guard.test_road import ATTACK, call, result
from tests.guard.test_verified_road import HOST, identity, person
from tests.support.guard_service import Guarded, Origin, answer_of, guarded, lock_of, sse, tool
from tests.support.issued_tokens import EXTERNAL_PERSON
from tests.support.token_issuer import TokenIssuer

KEY = "AKIAZ7Q2XJ4KPLM3WN5T"
TOXIC = {"post": {"outbound": True, "risk": "write"}}


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as one:
        yield one


def session_of(guard: Guarded) -> dict[str, str]:
    return {"mcp-session-id": guard.session or ""}


# -- what is read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cursor", "nextCursor", "requestState", "progressToken"])
def test_the_words_of_the_protocol_hide_nothing_where_they_are_not_the_protocols(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        origin = Origin(tools=[tool("search", inputSchema={"type": "object"})])
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            assert (await guard.call("search", {name: ATTACK}))["result"]["isError"]
            assert origin.calls == []
            origin.replies["tools/call"] = lambda _: result("ok", structuredContent={"page": {name: ATTACK}})
            assert (await guard.call("search"))["result"]["isError"]

    asyncio.run(main())


def test_a_cursor_and_a_state_in_their_own_places_are_not_read_as_text() -> None:
    paged = {"cursor": "c", "nextCursor": "n", "_meta": {"progressToken": "p"}}
    assert content_of(paged, "tools/list").texts == ()
    assert content_of({"progressToken": "p"}, "notifications/progress").texts == ()
    assert content_of({"requestState": "s", "_meta": {"progressToken": "p"}}, "tools/call").texts == ()
    assert len(content_of({**paged, "progressToken": "t"}, "tools/call").texts) == 3


def test_a_secret_that_is_a_key_is_found(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()
        origin.replies["tools/call"] = lambda _: result("ok", structuredContent={KEY: 1})
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            assert (await guard.call("search"))["result"]["isError"]

    asyncio.run(main())


CODED = base64.b64encode(ATTACK.encode()).decode()


@pytest.mark.parametrize(
    "blob",
    [
        CODED,
        "\n".join(CODED[at : at + 8] for at in range(0, len(CODED), 8)),
        "!".join(CODED),
        CODED.rstrip("="),
        base64.urlsafe_b64encode(b"\xff" + ATTACK.encode()).decode(),
        base64.b64encode(b"BM" + ATTACK.encode() + b"\xff").decode(),
    ],
)
def test_text_in_a_blob_is_read_as_any_client_would_decode_it(tmp_path: Path, blob: str) -> None:
    async def main() -> None:
        origin = Origin(resources=[{"uri": "file://x/a", "name": "a"}])
        origin.replies["resources/read"] = lambda _: {"contents": [{"uri": "file://x/a", "blob": blob}]}
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            assert "error" in await guard.request("resources/read", {"uri": "file://x/a"})

    asyncio.run(main())


def test_a_header_that_mirrors_no_argument_is_read_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(Origin(), tmp_path) as guard:
            params = {"name": "search", "arguments": {"text": "hi"}}
            bad = (await guard.modern("tools/call", params, **{"mcp-param-note": ATTACK})).json()
            assert bad["result"]["isError"]
            assert guard.origin.calls == []
            good = await guard.modern("tools/call", params, **{"mcp-param-note": "blue"})
            assert good.json()["result"] == result("done")
            assert guard.origin.seen[-1][1]["mcp-param-note"] == "blue"

    asyncio.run(main())


def test_a_secret_in_a_uri_blocks_where_policy_says_redact(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(templates=[{"uriTemplate": "file://x/{name}", "name": "f"}])
        origin.replies["resources/read"] = lambda m: {"contents": [{"uri": m["params"]["uri"], "text": "hi"}]}
        async with guarded(origin, tmp_path, guard={"legs": {"arguments": "redact"}}) as guard:
            await guard.initialize()
            assert "result" in await guard.request("resources/read", {"uri": "file://x/notes"})
            assert (await guard.request("resources/read", {"uri": f"file://x/{KEY}"}))["error"]["code"] == -31001
            assert KEY not in str(guard.origin.seen)
            assert guard.reasons()[-1] == ("resources/read", "block", "secret")

    asyncio.run(main())


def test_untrusted_text_in_an_error_taints_as_in_a_result(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(tools=[tool("search"), tool("post")])
        origin.replies["tools/call"] = lambda m: {
            "jsonrpc": "2.0",
            "id": m["id"],
            "error": {"code": 1, "message": ATTACK},
        }
        lock = lock_of(origin.tools, decided=TOXIC)
        async with guarded(origin, tmp_path, tool_lock=lock, guard={"legs": {"results": "flag"}}) as guard:
            await guard.initialize()
            assert (await guard.call("search"))["error"]["message"] == ATTACK
            assert (await guard.call("post"))["result"]["isError"]
            assert len(guard.origin.calls) == 1

    asyncio.run(main())


@pytest.mark.parametrize(("method", "kind"), [("prompts/get", "prompts"), ("resources/read", "resources")])
def test_a_prompt_or_resource_that_changes_while_the_guard_runs_is_refused_when_used(
    tmp_path: Path, method: str, kind: str
) -> None:
    async def main() -> None:
        origin = Origin(
            prompts=[{"name": "greet", "description": "Says hello."}],
            resources=[{"uri": "file://x/a", "name": "a", "description": "Says hello."}],
        )
        origin.replies["prompts/get"] = lambda _: {"messages": []}
        origin.replies["resources/read"] = lambda _: {"contents": []}
        params = {"name": "greet"} if kind == "prompts" else {"uri": "file://x/a"}
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            assert "result" in await guard.request(method, params)
            setattr(origin, kind, [{**getattr(origin, kind)[0], "description": "Says more."}])
            guard.service.runtime.watch.forget()
            assert (await guard.request(method, params))["error"]["code"] == -32602
            assert len(guard.origin.calls) == 1

    asyncio.run(main())


# -- ids, cursors, answers ------------------------------------------------------------------------------


def test_an_id_used_twice_shows_no_list_unfiltered(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(tools=[tool("search"), tool("extra")])
        final = {"jsonrpc": "2.0", "id": 31, "result": {"tools": [tool("search"), tool("extra")]}}
        origin.replies["tools/list"] = lambda m: sse("id: e-1\ndata:\n\n") if m["id"] == 31 else {"tools": origin.tools}

        async def get(_: Any) -> Any:
            return sse(final)

        origin.get = get
        async with guarded(origin, tmp_path, grants=[{"to": {"all": True}, "tools": ["search"]}]) as guard:
            await guard.initialize()
            first = await guard.post({"jsonrpc": "2.0", "id": 31, "method": "tools/list"})
            await guard.post({"jsonrpc": "2.0", "id": 31, "method": "ping"})
            cursor = first.text.splitlines()[0].removeprefix("id: ")
            rest = await guard.client.get("/mcp", headers={**session_of(guard), "last-event-id": cursor})
            assert "extra" not in rest.text
            assert answer_of(rest, 31)["error"]["code"] == -31004

    asyncio.run(main())


def test_an_event_id_opens_nobody_elses_stream(tmp_path: Path, issuer: TokenIssuer) -> None:
    async def main() -> None:
        origin = Origin(session=None)
        asked: list[str | None] = []

        async def get(request: Any) -> Any:
            asked.append(request.headers.get("last-event-id"))
            return sse("id: 7\ndata:\n\n")

        origin.get = get
        async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
            ada, bob = person(issuer), person(issuer, "bob")
            cursor = (await guard.client.get("/mcp", headers=ada)).text.splitlines()[0].removeprefix("id: ")
            for headers in ({**bob, "last-event-id": cursor}, {**bob, "last-event-id": "7"}):
                assert (await guard.client.get("/mcp", headers=headers)).status_code == 400
            assert (await guard.client.get("/mcp", headers={**ada, "last-event-id": cursor})).status_code == 200
            assert asked == [None, "7"]

    asyncio.run(main())


def test_a_servers_question_is_answered_once_and_again_only_if_the_answer_did_not_arrive(tmp_path: Path) -> None:
    async def main() -> None:
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
                road = guard.service.runtime.upstream
                url, road._url = road._url, "http://127.0.0.1:1/mcp"  # type: ignore[attr-defined]
                assert (await guard.post(answer)).status_code == 424
                road._url = url  # type: ignore[attr-defined]
                assert [(await guard.post(answer)).status_code for _ in range(2)] == [202, 400]
                assert len([one for one in guard.origin.calls if "result" in one]) == 1
                over.set()

    asyncio.run(main())


def test_a_long_session_is_still_asked(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(tools=[tool("search"), tool("post")])
        origin.replies["tools/call"] = lambda _: result(ATTACK)
        asking = {"legs": {"results": "flag"}, "taint": {"outbound_call": "ask"}}
        lock = lock_of(origin.tools, decided=TOXIC)
        async with guarded(origin, tmp_path, tool_lock=lock, guard=asking) as guard:
            await guard.initialize({"elicitation": {}})
            await guard.call("search")
            for _ in range(260):
                await guard.request("ping")
            headers = {"content-type": "application/json", **session_of(guard)}
            body = json.dumps(call(9999, "post")).encode()
            async with guard.client.stream("POST", "/mcp", content=body, headers=headers) as stream:
                assert "elicitation/create" in await anext(stream.aiter_lines())

    asyncio.run(main())


# -- what must not break --------------------------------------------------------------------------------


def test_a_header_of_the_server_that_is_not_ascii_is_left_out(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()

        def reply(message: dict[str, Any]) -> Response:
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result("x")})
            return Response(body, media_type="application/json", headers={"retry-after": "\xff1"})

        origin.replies["tools/call"] = reply
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            response = await guard.post(call(1))
            assert response.json()["result"] == result("x")
            assert "retry-after" not in response.headers

    asyncio.run(main())


@pytest.mark.parametrize("meta", [5, True, ["progressToken"], "text", None])
def test_a_meta_that_is_no_object_breaks_nothing(tmp_path: Path, meta: Any) -> None:
    async def main() -> None:
        origin = Origin()
        lock = lock_of(origin.tools, decided={"search": {"cacheable": True}})
        async with guarded(origin, tmp_path, tool_lock=lock) as guard:
            await guard.initialize()
            body = call(1)
            body["params"]["_meta"] = meta
            assert (await guard.post(body)).json()["result"] == result("done")

    asyncio.run(main())


def test_a_call_whose_token_expires_meanwhile_is_401(tmp_path: Path, issuer: TokenIssuer) -> None:
    async def main() -> None:
        origin = Origin()
        over = asyncio.Event()

        async def reply(_: dict[str, Any]) -> dict[str, Any]:
            await over.wait()
            return result("late")

        origin.replies["tools/call"] = reply
        async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
            await guard.post(call(1, "unknown"), person(issuer))
            response = await guard.post(call(2), person(issuer, exp=int(time.time()) + 2))
            assert (response.status_code, response.json()["error"]["code"]) == (401, -31005)
            assert guard.reasons()[-1] == ("http", "refuse", "expired")
            over.set()

    asyncio.run(main())


def test_what_is_refused_before_there_is_a_message_is_in_the_audit_log(tmp_path: Path, issuer: TokenIssuer) -> None:
    async def main() -> None:
        async with guarded(Origin(), tmp_path, identity=identity(issuer)) as guard:
            await guard.post(call(1), {**person(issuer, "bob"), "mcp-session-id": "stolen"})
            last = guard.records()[-1]
            assert (last["reason"], last["principal"]) == ("unknown_session", "person:bob")
            await guard.post(call(1), {**person(issuer), "host": "evil.example"})
            assert guard.records()[-1]["reason"] == "foreign_host"

    asyncio.run(main())


def test_an_open_stream_is_judged_by_the_configuration_in_force(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()
        swapped = asyncio.Event()
        news = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": ATTACK}}

        async def get(_: Any) -> Any:
            from starlette.responses import StreamingResponse

            async def body() -> Any:
                yield f"data: {json.dumps(news)}\n\n".encode()
                await swapped.wait()
                yield f"data: {json.dumps(news)}\n\n: end\n\n".encode()

            return StreamingResponse(body(), media_type="text/event-stream")

        origin.get = get
        async with guarded(origin, tmp_path, guard={"legs": {"results": "flag"}}) as guard:
            await guard.initialize()
            async with guard.client.stream("GET", "/mcp", headers=session_of(guard)) as stream:
                lines = stream.aiter_lines()
                assert "Ignore all" in await anext(lines)
                values = guard.config.dump()
                values["guard"]["legs"]["results"] = "block"
                config = GuardConfig.model_validate(values)
                await guard.service.apply(Opened(config, "sha256:" + "2" * 64, 2, frozenset()))
                swapped.set()
                assert "Ignore all" not in "".join([line async for line in lines])
            assert guard.records()[-1]["bundle"] == "sha256:" + "2" * 64

    asyncio.run(main())


def test_a_server_that_asks_without_end_costs_a_bounded_number_of_refusals(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()
        over = asyncio.Event()
        asks = [{"jsonrpc": "2.0", "id": number, "method": "tasks/list"} for number in range(400)]
        origin.replies["tools/call"] = lambda m: sse(*asks, {"jsonrpc": "2.0", "id": m["id"], "result": result("done")})
        handle = origin.handle

        async def slow(request: Any) -> Response:
            response = await handle(request)
            if origin.seen[-1][0] == "POST" and b'"error"' in origin.seen[-1][2]:
                await over.wait()
            return response

        origin.handle = slow  # type: ignore[method-assign]
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            assert answer_of(await guard.post(call(9)), 9)["result"] == result("done")
            assert 0 < len(guard.service.runtime._background) <= 260
            over.set()

    asyncio.run(main())


def test_the_refusal_of_a_servers_question_carries_what_the_server_knows_its_client_by(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    async def main() -> None:
        audience = f"https://{HOST}/mcp"
        external = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "audience": audience, "scopes": ["mcp:use"]}
        who: dict[str, Any] = {"sub": "ada", "email": "ada@example.com", "scope": "mcp:use"}
        token = f"Bearer {issuer.sign(EXTERNAL_PERSON.claims(issuer.url, audience, **who), typ='at+jwt')}"
        told = asyncio.Event()
        origin = Origin()
        origin.replies["tools/call"] = lambda m: sse(
            {"jsonrpc": "2.0", "id": "q", "method": "tasks/list"},
            {"jsonrpc": "2.0", "id": m["id"], "result": result("done")},
        )
        handle = origin.handle

        async def listening(request: Any) -> Response:
            response = await handle(request)
            if b'"error"' in origin.seen[-1][2]:
                told.set()
            return response

        origin.handle = listening  # type: ignore[method-assign]
        async with guarded(origin, tmp_path, identity={**identity(issuer), "external": external}) as guard:
            await guard.post(call(9), {**person(issuer), "authorization": token})
            await asyncio.wait_for(told.wait(), 5)
            assert origin.seen[-1][1]["authorization"] == token

    asyncio.run(main())


# -- the cache ------------------------------------------------------------------------------------------


def test_a_result_of_one_protocol_version_answers_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()
        origin.replies["tools/call"] = lambda m: result(
            "done", **({"resultType": "complete"} if "_meta" in m["params"] else {})
        )
        lock = lock_of(origin.tools, decided={"search": {"cacheable": True}})
        async with guarded(origin, tmp_path, tool_lock=lock) as guard:
            await guard.initialize()
            assert "resultType" not in (await guard.call("search"))["result"]
            guard.session = None
            answer = (await guard.modern("tools/call", {"name": "search", "arguments": {}})).json()
            assert answer["result"]["resultType"] == "complete"

    asyncio.run(main())


def test_what_was_read_while_something_was_written_is_not_kept(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()
        value = "old"
        began, go = asyncio.Event(), asyncio.Event()

        async def reply(message: dict[str, Any]) -> dict[str, Any]:
            nonlocal value
            if message["params"]["name"] == "delete":
                began.set()
                await go.wait()
                value = "new"
            return result(value)

        origin.replies["tools/call"] = reply
        lock = lock_of(origin.tools, decided={"search": {"cacheable": True}, "delete": {"risk": "write"}})
        async with guarded(origin, tmp_path, tool_lock=lock) as guard:
            await guard.initialize()
            writing = asyncio.ensure_future(guard.call("delete"))
            await began.wait()
            assert (await guard.call("search"))["result"] == result("old")
            go.set()
            await writing
            assert (await guard.call("search"))["result"] == result("new")

    asyncio.run(main())


@pytest.mark.parametrize("answer", ["cached", "error"])
def test_tokens_are_counted_for_cached_results_and_errors_too(tmp_path: Path, answer: str) -> None:
    async def main() -> None:
        origin = Origin()
        text = "word " * 600
        failure = {"code": 1, "message": text}
        origin.replies["tools/call"] = lambda m: (
            result(text) if answer == "cached" else {"jsonrpc": "2.0", "id": m["id"], "error": failure}
        )
        lock = lock_of(origin.tools, decided={"search": {"cacheable": answer == "cached"}})
        limits = {"principal_tokens_per_minute": 2000}
        async with guarded(origin, tmp_path, tool_lock=lock, limits=limits) as guard:
            await guard.initialize()
            answers = [await guard.call("search") for _ in range(5)]
            assert answers[-1]["error"]["code"] == -31003

    asyncio.run(main())


def test_a_notification_of_2026_carries_no_header_that_its_body_does_not_bear_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(Origin(), tmp_path) as guard:
            body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "notifications/cancelled"}
            wrong = await guard.post(body, {**headers, "mcp-method": "tools/call"})
            assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)
            assert guard.origin.calls == []
            right = await guard.post(body, {**headers, "mcp-name": ATTACK, "mcp-param-note": ATTACK})
            assert right.status_code == 202
            [sent] = [seen for _, seen, content in guard.origin.seen if b"notifications/cancelled" in content]
            assert sent["mcp-method"] == "notifications/cancelled"
            assert sent.keys() & {"mcp-name", "mcp-param-note"} == set()

    asyncio.run(main())


def test_a_session_the_guard_did_not_bind_is_not_handed_out(tmp_path: Path) -> None:
    async def main() -> None:
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

    asyncio.run(main())


def test_news_of_a_resource_goes_to_those_who_may_read_it(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(resources=[{"uri": f"file://x/{name}", "name": name} for name in ("open", "closed")])

        async def get(_: Any) -> Any:
            method = "notifications/resources/updated"
            return sse(
                *({"jsonrpc": "2.0", "method": method, "params": {"uri": one["uri"]}} for one in origin.resources)
            )

        origin.get = get
        grants = [{"to": {"all": True}, "tools": [], "resources": ["file://x/open"]}]
        async with guarded(origin, tmp_path, grants=grants) as guard:
            await guard.initialize()
            text = (await guard.client.get("/mcp", headers=session_of(guard))).text
            assert "file://x/open" in text
            assert "file://x/closed" not in text

    asyncio.run(main())


@pytest.mark.parametrize("arguments", [{"Path": "/etc/shadow"}, {"path": "/ok", "PATH": "/x"}, {"to": [{"Host": "x"}]}])
def test_an_argument_that_some_servers_read_as_another_is_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    async def main() -> None:
        hosts = {"type": "array", "items": {"type": "object", "properties": {"host": {"type": "string"}}}}
        schema = {"type": "object", "properties": {"path": {"type": "string"}, "to": hosts}}
        async with guarded(Origin(tools=[tool("search", inputSchema=schema)]), tmp_path) as guard:
            await guard.initialize()
            assert (await guard.call("search", arguments))["result"]["isError"]
            assert guard.origin.calls == []
            fine = {"path": "/ok", "free": {"a": 1, "A": 2}, "to": [{"host": "x"}]}
            assert (await guard.call("search", fine))["result"] == result("done")

    asyncio.run(main())


def test_a_list_or_instructions_that_some_clients_read_as_such_are_not_shown(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin()
        origin.replies["tools/list"] = lambda _: {"tools": [], "Tools": [tool("unlisted")]}
        async with guarded(origin, tmp_path) as guard:
            await guard.initialize()
            assert "unlisted" not in str(await guard.request("tools/list"))
            origin.replies["ping"] = lambda _: {"TOOLS": [tool("unlisted")]}
            assert "unlisted" not in str(await guard.request("ping"))

    asyncio.run(main())
