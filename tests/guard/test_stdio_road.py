"""A server that is a command: real SDK clients of both eras speak HTTP to the guard, and no port of the server exists."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from guard.http.stdio import StdioUpstream
from guard.http.upstream import UpstreamDown
from model.tool_lock import ToolLock
from operations.onboard.lock import build_lock
from operations.sockets import listeners
from tests.support.guard_service import Guarded, Origin, guarded
from wire.mcp import StdioTarget, probe

DESK = (sys.executable, "-m", "sandbox.mcp_server", "--stdio")
ROOT = str(Path(__file__).parents[2])

ECHO = """
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "echo", "version": "1"}}
    elif method == "ping":
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress",
              "params": {"progressToken": message["params"]["_meta"]["progressToken"], "progress": 1}}), flush=True)
        result = {"pid": os.getpid(), "environment": sorted(os.environ)}
    elif method == "flood":
        line = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 9, "progress": 1}}
        print((json.dumps(line) + chr(10)) * 3000, end="", flush=True)
        result = {}
    elif method == "die":
        sys.exit(3)
    elif method == "noise":
        print("not json", flush=True)
        result = {}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def desk(tmp_path: Path, use: Callable[[Guarded], Awaitable[None]]) -> None:
    lock: ToolLock = build_lock(probe(StdioTarget(DESK, directory=ROOT), timeout=30))

    async def main() -> None:
        grant = {"to": {"all": True}, "tools": [one.name for one in lock.tools if one.name != "create_ticket"]}
        origin = {"command": list(DESK), "directory": ROOT}
        async with guarded(Origin(), tmp_path, origin=origin, tool_lock=lock.dump(), grants=[grant]) as guard:
            await use(guard)

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_real_clients_of_both_eras_reach_a_command(tmp_path: Path, mode: Any) -> None:
    async def use(guard: Guarded) -> None:
        url = f"http://127.0.0.1:{guard.config.listen.port}/mcp"
        async with Client(url, mode=mode) as client:
            names = [one.name for one in (await client.list_tools()).tools]
            assert "get_ticket" in names
            assert "create_ticket" not in names
            result = await client.call_tool("get_ticket", {"ticket_id": 1})
            assert "Printer" in json.dumps(result.model_dump(mode="json"))
            with pytest.raises(MCPError, match="Unknown tool: create_ticket"):
                await client.call_tool("create_ticket", {"title": "x", "reporter": "a@example.com"})

    desk(tmp_path, use)


def test_sessions_do_not_share_a_process_and_end_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        upstream = StdioUpstream((sys.executable, "-c", ECHO), {"GIVEN": "1"}, None)
        init = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {"progressToken": 7}}}
        os.environ["RINGWALL_TEST_SECRET"] = "x"
        try:
            sessions = [(await upstream.send("POST", {}, init, owner="a")).headers["mcp-session-id"] for _ in range(2)]
            said = []
            for session in sessions:
                answer = await upstream.send("POST", {"mcp-session-id": session}, json.dumps(ping).encode(), owner="a")
                assert answer.media_type == "text/event-stream"
                events = (await answer.read(1 << 20)).decode()
                assert "notifications/progress" in events.split("\n\n")[0]
                said.append(json.loads(events.split("\n\n")[1].partition("data: ")[2])["result"])
            assert said[0]["pid"] != said[1]["pid"]
            assert "GIVEN" in said[0]["environment"]
            assert "RINGWALL_TEST_SECRET" not in said[0]["environment"]
            assert (await upstream.send("DELETE", {"mcp-session-id": sessions[0]}, None, owner="a")).status == 200
            gone = await upstream.send("POST", {"mcp-session-id": sessions[0]}, json.dumps(ping).encode(), owner="a")
            assert gone.status == 404
            assert not _alive(said[0]["pid"])
            assert _alive(said[1]["pid"])
        finally:
            del os.environ["RINGWALL_TEST_SECRET"]
            await upstream.close()
        assert not _alive(said[1]["pid"])

    asyncio.run(main())


def test_a_command_that_dies_is_an_error_and_a_new_session_starts_it_again() -> None:
    async def main() -> None:
        upstream = StdioUpstream((sys.executable, "-c", ECHO), {}, None)
        init = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()
        try:
            session = (await upstream.send("POST", {}, init, owner="a")).headers["mcp-session-id"]
            die = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "die"}).encode()
            with pytest.raises(UpstreamDown, match="ended"):
                await upstream.send("POST", {"mcp-session-id": session}, die, owner="a")
            assert (await upstream.send("POST", {"mcp-session-id": session}, die, owner="a")).status == 404
            again = (await upstream.send("POST", {}, init, owner="a")).headers["mcp-session-id"]
            noise = json.dumps({"jsonrpc": "2.0", "id": 3, "method": "noise"}).encode()
            assert (await upstream.send("POST", {"mcp-session-id": again}, noise, owner="a")).status == 200
        finally:
            await upstream.close()
        missing = StdioUpstream(("/no/such/program",), {}, None)
        with pytest.raises(UpstreamDown, match="cannot be started"):
            await missing.send("POST", {}, init, owner="a")

    asyncio.run(main())


def test_a_client_that_does_not_read_loses_its_stream_and_is_told_so() -> None:
    async def main() -> None:
        upstream = StdioUpstream((sys.executable, "-c", ECHO), {}, None)
        init = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()
        flood = {"jsonrpc": "2.0", "id": 1, "method": "flood", "params": {"_meta": {"progressToken": 9}}}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping", "params": {"_meta": {"progressToken": 7}}}
        try:
            session = (await upstream.send("POST", {}, init, owner="a")).headers["mcp-session-id"]
            unread = await upstream.send("POST", {"mcp-session-id": session}, json.dumps(flood).encode(), owner="a")
            # The command answers this after the flood: by then every line of it has been taken.
            other = await upstream.send("POST", {"mcp-session-id": session}, json.dumps(ping).encode(), owner="a")
            assert b'"pid"' in await other.read(1 << 20)
            with pytest.raises(UpstreamDown):
                await unread.read(1 << 24)
        finally:
            await upstream.close()

    asyncio.run(main())


def test_sessions_of_one_principal_are_counted_when_they_begin_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.http.stdio.MAX_PER_PRINCIPAL", 2)

    async def main() -> None:
        upstream = StdioUpstream((sys.executable, "-c", ECHO), {}, None)
        init = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {"progressToken": 7}}}
        try:
            begun = await asyncio.gather(
                *(upstream.send("POST", {}, init, owner="a") for _ in range(5)), return_exceptions=True
            )
            sessions = [one.headers["mcp-session-id"] for one in begun if not isinstance(one, BaseException)]
            found = [
                (await upstream.send("POST", {"mcp-session-id": one}, json.dumps(ping).encode(), owner="a")).status
                for one in sessions
            ]
            assert found.count(200) == 2
        finally:
            await upstream.close()

    asyncio.run(main())


def test_a_command_opens_no_port(tmp_path: Path) -> None:
    async def use(guard: Guarded) -> None:
        await guard.initialize()
        port = guard.config.listen.port
        assert {one.address for one in listeners(port)} == {"127.0.0.1"}

    desk(tmp_path, use)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
