"""A command behind a Unix socket, as a host's units run it: the guard starts nothing, and speaks MCP through the socket."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from guard.http.stdio import StdioUpstream
from guard.http.upstream import UpstreamDown
from guard.probe.probe import probe
from model.server import Origin as ServerOrigin
from model.tool_lock import ToolLock
from operations.onboard.lock import build_lock
from tests.guard.http.test_stdio import DESK, ECHO, ROOT
from tests.support.command_sockets import command_socket
from tests.support.guard_service import Origin, guarded

INIT = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()


@pytest.fixture(scope="module")
def desk_lock() -> ToolLock:
    return build_lock(probe(ServerOrigin(command=DESK, directory=ROOT), timeout=90))


async def test_clients_of_both_eras_reach_a_command_through_its_socket(tmp_path: Path, desk_lock: ToolLock) -> None:
    # The stack file's own command cannot be started here, so an answer proves the socket.
    origin = {"command": ["/no/such/program"], "environment": {"KEY": {"file": "/no/such/file"}}}
    grant = {"to": {"all": True}, "tools": ["get_ticket"]}
    sockets = tmp_path / "run"
    place = sockets / "dev.raw" / "stdio"
    with command_socket(place, DESK, directory=ROOT):
        async with guarded(
            Origin(), tmp_path, sockets=sockets, origin=origin, tool_lock=desk_lock.dump(), grants=[grant]
        ) as guard:
            modes: tuple[Any, ...] = ("legacy", "auto")
            for mode in modes:
                async with Client(f"http://127.0.0.1:{guard.config.listen.port}/mcp", mode=mode) as client:
                    assert [tool.name for tool in (await client.list_tools()).tools] == ["get_ticket"]
                    result = await client.call_tool("get_ticket", {"ticket_id": 1})
                    assert "Printer" in json.dumps(result.model_dump(mode="json"))


async def test_sessions_have_connections_of_their_own_and_end_with_them(tmp_path: Path) -> None:
    place = tmp_path / "run" / "stdio"
    with command_socket(place, (sys.executable, "-c", ECHO)) as processes:
        upstream = StdioUpstream(("/no/such/program",), {}, None, socket=place)
        try:
            sessions = [(await upstream.send("POST", {}, INIT, owner="a")).headers["mcp-session-id"] for _ in range(2)]
            assert len(processes) == 2
            assert (await upstream.send("DELETE", {"mcp-session-id": sessions[0]}, None, owner="a")).status == 200
            # The end of its input reached the first one, and it ended by itself.
            assert processes[0].wait(timeout=90) == 0
            assert processes[1].poll() is None
            die = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "die"}).encode()
            with pytest.raises(UpstreamDown, match="ended"):
                await upstream.send("POST", {"mcp-session-id": sessions[1]}, die, owner="a")
            assert (await upstream.send("POST", {"mcp-session-id": sessions[1]}, die, owner="a")).status == 404
        finally:
            await upstream.close()


async def test_a_command_that_ignores_the_end_of_its_input_is_cut_off(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("guard.http.stdio_process.GRACE_SECONDS", 0.1)
    answer = json.dumps({"jsonrpc": "2.0", "id": 0, "result": {}})
    deaf = f"import time; input(); print({answer!r}, flush=True); time.sleep(60)"
    place = tmp_path / "run" / "stdio"
    with command_socket(place, (sys.executable, "-c", deaf)):
        upstream = StdioUpstream((), {}, None, socket=place)
        session = (await upstream.send("POST", {}, INIT, owner="a")).headers["mcp-session-id"]
        await upstream.send("DELETE", {"mcp-session-id": session}, None, owner="a")
        assert (
            await upstream.send("POST", {"mcp-session-id": session}, INIT.replace(b"initialize", b"ping"), owner="a")
        ).status == 404
        await upstream.close()


async def test_a_socket_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    upstream = StdioUpstream((sys.executable, "-c", ECHO), {}, None, socket=tmp_path / "stdio")
    with pytest.raises(UpstreamDown, match=f"nothing starts the command at {tmp_path}/stdio .*: start its socket unit"):
        await upstream.send("POST", {}, INIT, owner="a")
