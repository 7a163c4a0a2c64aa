"""What a client sees of a server's streams: events, the server's requests, and answers that come on another stream."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from tests.support.guard_messages import ATTACK, call, result, session_of
from tests.support.guard_service import Origin, answer_of, guarded, sse, tool
from tests.support.waiting import eventually


async def test_events_pass_one_by_one_with_their_ids_and_keep_alives(tmp_path: Path) -> None:
    released = asyncio.Event()
    origin = Origin()
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}

    def reply(message: dict[str, Any]) -> Any:
        final = {"jsonrpc": "2.0", "id": message["id"], "result": result("done")}
        priming = "id: p-1\nretry: 500\ndata:\n\n"
        wait = f"id: e-1\ndata: {json.dumps(progress)}\n\n: still here\n\n"

        async def body() -> Any:
            yield (priming + wait).encode()
            await released.wait()
            yield f"id: e-2\ndata: {json.dumps(final)}\n\n".encode()

        return StreamingResponse(body(), media_type="text/event-stream")

    origin.replies["tools/call"] = reply
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        headers = {"content-type": "application/json", "mcp-session-id": guard.session or ""}
        async with guard.client.stream("POST", "/mcp", content=json.dumps(call(9)).encode(), headers=headers) as stream:
            lines = stream.aiter_lines()
            lines_read: list[str] = []
            while "e-1" not in "".join(lines_read) or lines_read[-1] != ":":
                lines_read.append(await anext(lines))
            # The server has not finished, and all this is here already.
            released.set()
            lines_read += [line async for line in lines]
        text = "\n".join(lines_read)
        assert text.startswith("id: p-1~")
        assert "\nretry: 500\ndata: \n" in text
        assert "id: e-1~" in text
        assert "still here" not in text
        assert text.index("e-1") < text.index("e-2")
        assert '"done"' in text


async def test_a_blocked_final_event_is_replaced_never_dropped(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: sse({"jsonrpc": "2.0", "id": m["id"], "result": result(ATTACK)})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        answer = await guard.call("search")
        assert answer["result"]["isError"] is True


@pytest.mark.parametrize(
    "event",
    [
        "data: not json\n\n",
        'data: {"jsonrpc":"2.0","id":1,"id":2,"result":{}}\n\n',
        "data: " + "\xff" + "\n\n",
        "",
    ],
)
async def test_a_stream_that_breaks_the_rules_ends_with_an_error_answer(tmp_path: Path, event: str) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda _: sse(event)
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["error"]["code"] == -31004


async def test_events_of_other_types_lose_their_data(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: sse(
        f"event: note\nid: 3\ndata: {ATTACK}\n\n", {"jsonrpc": "2.0", "id": m["id"], "result": result("done")}
    )
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(4))
        assert "Ignore all" not in response.text
        assert "id: 3" in response.text


async def test_a_servers_request_reaches_the_client_and_its_answer_the_server(tmp_path: Path) -> None:
    answered = asyncio.Event()
    origin = Origin()
    ask = {"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {"message": "Which floor?"}}

    def reply(message: dict[str, Any]) -> Any:
        final = {"jsonrpc": "2.0", "id": message["id"], "result": result("floor 3")}

        async def body() -> Any:
            yield f"data: {json.dumps(ask)}\n\n".encode()
            await answered.wait()
            yield f"data: {json.dumps(final)}\n\n".encode()

        return StreamingResponse(body(), media_type="text/event-stream")

    origin.replies["tools/call"] = reply
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        calling = asyncio.ensure_future(guard.call("search"))
        await eventually(
            lambda: any(record["method"] == "elicitation/create" for record in guard.records()),
            "the server's request is in the audit log",
        )
        yes = {"jsonrpc": "2.0", "id": "q1", "result": {"action": "accept", "content": {"floor": 3}}}

        async def accept() -> bool:
            return (await guard.post(yes)).status_code == 202

        accepted: bool = await eventually(accept, "the client's answer is accepted")
        assert accepted
        assert guard.origin.calls[-1] == yes
        # An answer to nothing that was asked goes nowhere.
        assert (await guard.post({**yes, "id": "q2"})).status_code == 400
        answered.set()
        assert (await calling)["result"] == result("floor 3")
        assert guard.origin.calls[-1] == yes


async def test_a_poisoned_server_request_is_answered_by_the_guard_and_not_shown(tmp_path: Path) -> None:
    origin = Origin()
    ask = {
        "jsonrpc": "2.0",
        "id": 77,
        "method": "sampling/createMessage",
        "params": {"messages": [{"role": "user", "content": {"type": "text", "text": ATTACK}}], "maxTokens": 9},
    }

    origin.replies["tools/call"] = lambda m: sse(ask, {"jsonrpc": "2.0", "id": m["id"], "result": result("done")})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(8))
        assert "createMessage" not in response.text
        await eventually(
            lambda: any(message.get("id") == 77 and "error" in message for message in origin.calls),
            "the server has the refusal of its request",
        )


async def test_a_server_that_asks_without_end_costs_a_bounded_number_of_refusals(tmp_path: Path) -> None:
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


async def test_the_server_stream_is_judged_and_an_unknown_answer_on_it_is_replaced(tmp_path: Path) -> None:
    origin = Origin()
    news = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": ATTACK}}
    good = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "all well"}}
    stray = {"jsonrpc": "2.0", "id": 404, "result": result("from nowhere")}

    async def get(request: Any) -> Any:
        assert request.headers["last-event-id"] == "e-9"
        return sse(news, good, stray)

    origin.get = get
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        cursor = guard.service.runtime.cursors.seal("e-9", guard.session or "")
        headers = {"mcp-session-id": guard.session or "", "last-event-id": cursor, "accept": "text/event-stream"}
        response = await guard.client.get("/mcp", headers=headers)
        assert "Ignore all" not in response.text
        assert "all well" in response.text
        assert "from nowhere" not in response.text
        assert '"id":404,"error"' in response.text


async def test_an_answer_that_comes_after_resumption_is_judged_by_its_call(tmp_path: Path) -> None:
    origin = Origin(tools=[tool("search"), tool("extra")])
    final = {"jsonrpc": "2.0", "id": 31, "result": {"tools": [tool("search"), tool("extra"), tool("unlisted")]}}
    origin.replies["tools/list"] = lambda m: sse("id: e-1\ndata:\n\n") if m["id"] == 31 else {"tools": origin.tools}

    async def get(_: Any) -> Any:
        return sse(final)

    origin.get = get
    grants = [{"to": {"all": True}, "tools": ["search"]}]
    async with guarded(origin, tmp_path, grants=grants) as guard:
        await guard.initialize()
        first = await guard.post({"jsonrpc": "2.0", "id": 31, "method": "tools/list"})
        assert "error" not in first.text
        cursor = first.text.splitlines()[0].removeprefix("id: ")
        headers = {"mcp-session-id": guard.session or "", "last-event-id": cursor}
        resumed = await guard.client.get("/mcp", headers=headers)
        assert [entry["name"] for entry in answer_of(resumed, 31)["result"]["tools"]] == ["search"]


async def test_news_of_a_resource_goes_to_subscribers_who_may_read_it(tmp_path: Path) -> None:
    origin = Origin(
        resources=[{"uri": f"file://x/{name}", "name": name} for name in ("open", "closed", "left", "alone")]
    )
    origin.replies |= {"resources/subscribe": lambda _: {}, "resources/unsubscribe": lambda _: {}}

    async def get(_: Any) -> Any:
        method = "notifications/resources/updated"
        return sse(
            *({"jsonrpc": "2.0", "method": method, "params": {"uri": resource["uri"]}} for resource in origin.resources)
        )

    origin.get = get
    readable = ["file://x/open", "file://x/left", "file://x/alone"]
    grants = [{"to": {"all": True}, "tools": [], "resources": readable}]
    async with guarded(origin, tmp_path, grants=grants) as guard:
        await guard.initialize()
        for name in ("open", "closed", "left"):
            await guard.request("resources/subscribe", {"uri": f"file://x/{name}"})
        await guard.request("resources/unsubscribe", {"uri": "file://x/left"})
        text = (await guard.client.get("/mcp", headers=session_of(guard))).text
        assert text.count("notifications/resources/updated") == 1
        assert '"uri":"file://x/open"' in text
        refused = [
            (record["reason"], record.get("name")) for record in guard.records() if "updated" in record["method"]
        ]
        assert refused == [
            ("not_granted", None),
            ("not_subscribed", "file://x/left"),
            ("not_subscribed", "file://x/alone"),
        ]
        # Another session of the same caller subscribed to nothing.
        guard.session = None
        origin.session = "s-2"
        await guard.initialize()
        assert "updated" not in (await guard.client.get("/mcp", headers=session_of(guard))).text
