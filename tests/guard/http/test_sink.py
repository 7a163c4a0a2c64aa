"""Nothing between a client and a silent server takes the connection for dead; a dead session is not kept alive either."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from guard.http.stdio import StdioUpstream
from tests.support.guard_messages import call, result
from tests.support.guard_service import Guarded, Origin, guarded, sse

#: Seconds of silence before a comment, instead of 15.
BEAT = 0.05
CALL = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "search", "arguments": {}}}


class Slow:
    """A server whose calls end, and whose streams speak, when the test says so."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.origin = Origin(replies={"tools/call": self.call}, get=self.listen)

    async def call(self, _: Any) -> dict[str, Any]:
        await self.go.wait()
        return {"content": [{"type": "text", "text": "done"}]}

    async def listen(self, _: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b""
            await self.go.wait()
            note = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
            yield f"data: {json.dumps(note)}\n\n".encode()

        return StreamingResponse(body(), media_type="text/event-stream")


async def read_until(response: httpx.Response, beats: int, slow: Slow) -> str:
    """The stream's text: `beats` keep-alives first, then whatever comes once the server may speak."""
    text = ""
    async with asyncio.timeout(60):
        async for chunk in response.aiter_text():
            text += chunk
            if text.count(":\n\n") >= beats:
                slow.go.set()
    return text


def sent(guard: Guarded, accept: str = "application/json, text/event-stream") -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": accept}
    return headers | ({"mcp-session-id": guard.session} if guard.session else {})


async def test_an_idle_stream_gets_keep_alives_and_then_its_events(tmp_path: Path) -> None:
    slow = Slow()
    async with guarded(slow.origin, tmp_path, keep_alive=BEAT) as guard:
        await guard.initialize()
        records = len(guard.records())
        async with guard.client.stream("GET", "/mcp", headers=sent(guard)) as response:
            text = await read_until(response, 3, slow)
        before, _, after = text.partition("data: ")
        assert before.replace(":\n\n", "") == ""
        assert "list_changed" in after
        # Comments are no messages: nothing was inspected or written down.
        assert len(guard.records()) == records


async def test_a_silent_call_is_answered_as_a_stream_with_keep_alives(tmp_path: Path) -> None:
    slow = Slow()
    async with guarded(slow.origin, tmp_path, keep_alive=BEAT) as guard:
        await guard.initialize()
        async with guard.client.stream("POST", "/mcp", json=CALL, headers=sent(guard)) as response:
            assert response.headers["content-type"] == "text/event-stream"
            text = await read_until(response, 3, slow)
        answer = json.loads(text.rpartition("data: ")[2])
        assert (answer["id"], answer["result"]["content"][0]["text"]) == (5, "done")
        assert len(guard.origin.calls) == 1


async def test_a_refusal_by_the_server_reaches_a_call_that_became_a_stream(tmp_path: Path) -> None:
    slow = Slow()

    async def fail(message: Any) -> Response:
        await slow.call(message)
        return Response(b"", 500)

    slow.origin.replies["tools/call"] = fail
    async with guarded(slow.origin, tmp_path, keep_alive=BEAT) as guard:
        await guard.initialize()
        async with guard.client.stream("POST", "/mcp", json=CALL, headers=sent(guard)) as response:
            text = await read_until(response, 1, slow)
        assert json.loads(text.rpartition("data: ")[2])["error"]["code"] == -31004


async def test_a_client_that_takes_no_stream_waits_for_its_json(tmp_path: Path) -> None:
    slow = Slow()
    async with guarded(slow.origin, tmp_path, keep_alive=BEAT) as guard:
        await guard.initialize()
        asyncio.get_running_loop().call_later(BEAT * 6, slow.go.set)
        response = await guard.client.post("/mcp", json=CALL, headers=sent(guard, "application/json"))
        assert response.headers["content-type"] == "application/json"
        assert response.json()["id"] == 5


async def test_an_answer_in_time_stays_json_and_initialize_always_does(tmp_path: Path) -> None:
    slow = Slow()
    slow.go.set()
    origin = slow.origin

    async def late(message: dict[str, Any]) -> dict[str, Any]:
        if message["params"]["clientInfo"]["name"] == "test":
            await asyncio.sleep(BEAT * 6)
        return origin._default("initialize", message)

    origin.replies["initialize"] = late
    async with guarded(origin, tmp_path, keep_alive=BEAT) as guard:
        # Its headers name the session, so they cannot go before the server has answered.
        await guard.initialize()
        assert guard.session == "s-1"
    async with guarded(Origin(), tmp_path / "two", keep_alive=30) as guard:
        await guard.initialize()
        response = await guard.client.post("/mcp", json=CALL, headers=sent(guard))
        assert response.headers["content-type"] == "application/json"


async def test_keep_alives_end_with_the_session_they_are_for(tmp_path: Path) -> None:
    slow = Slow()
    async with guarded(slow.origin, tmp_path, keep_alive=BEAT) as guard:
        await guard.initialize()
        text = ""
        async with asyncio.timeout(60), guard.client.stream("GET", "/mcp", headers=sent(guard)) as response:
            async for chunk in response.aiter_text():
                if not text:
                    # The server leaves the stream of the session open that the client ends.
                    assert (await guard.client.delete("/mcp", headers=sent(guard))).status_code == 200
                text += chunk
        assert not slow.go.is_set()


#: Answers its first line once somebody has written into the pipe that it is given.
THINKER = """
import json, sys
asked = json.loads(sys.stdin.readline())
open(sys.argv[1]).read()
result = {"content": [{"type": "text", "text": "done"}], "resultType": "complete"}
print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
sys.stdin.read()
"""


async def test_a_command_that_thinks_for_long_is_answered_as_a_stream(tmp_path: Path) -> None:
    """The same rule for a server on stdio."""
    async with guarded(Origin(), tmp_path, keep_alive=BEAT) as guard:
        await guard.call("search")  # the server's lists are looked at
        await guard.service.runtime.upstream.close()
        os.mkfifo(pipe := tmp_path / "pipe")
        guard.service.runtime.upstream = StdioUpstream((sys.executable, "-c", THINKER, str(pipe)), {}, None)
        body, headers = guard.modern_request("tools/call", {"name": "search", "arguments": {}})
        text = ""
        async with asyncio.timeout(60), guard.client.stream("POST", "/mcp", json=body, headers=headers) as response:
            async for chunk in response.aiter_text():
                if not text:
                    await asyncio.to_thread(pipe.write_text, "go")
                text += chunk
        assert text.startswith(":\n\n")
        assert '"done"' in text


async def test_tokens_are_reported_to_the_gateway_and_the_servers_own_report_is_not_trusted(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: JSONResponse(
        {"jsonrpc": "2.0", "id": m["id"], "result": result("x" * 400)},
        headers={"x-kong-limit": "tokens=0", "set-cookie": "a=b"},
    )
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(1))
        assert int(response.headers["x-kong-limit"].removeprefix("tokens=")) >= 100
        assert "set-cookie" not in response.headers
        # A stream's result is charged to the answer after it.
        origin.replies["tools/call"] = lambda m: sse({"jsonrpc": "2.0", "id": m["id"], "result": result("x" * 4000)})
        await guard.call("search")
        response = await guard.post({"jsonrpc": "2.0", "id": 2, "method": "ping"})
        assert int(response.headers["x-kong-limit"].removeprefix("tokens=")) >= 1000
