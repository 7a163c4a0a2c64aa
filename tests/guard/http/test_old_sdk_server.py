"""A server of the official SDK's 1.x that is restarted: its sessions end, its clients begin others, and it stays open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.http.origin_breaker import FAILURES
from guard.probe.probe import probe
from model.server import Origin as OriginSettings
from operations.onboard.lock import build_lock
from tests.support.guard_service import LEGACY, Origin, guarded
from tests.support.node import NotAvailable
from tests.support.ports import free_port
from tests.support.venvs import MCP_1, venv
from tests.support.waiting import eventually_sync

SERVER = """
import sys
from mcp.server.fastmcp import FastMCP
server = FastMCP("old", host="127.0.0.1", port=int(sys.argv[1]), json_response=True)

@server.tool()
def lookup(text: str = "") -> str:
    return "found " + text

server.run("streamable-http")
"""


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return venv(MCP_1) / "python"
    except NotAvailable as error:
        pytest.skip(f"pip could not fetch mcp 1.x, which was not checked: {error}")


@contextlib.contextmanager
def old_server(python: Path, port: int) -> Iterator[str]:
    process = subprocess.Popen([str(python), "-c", SERVER, str(port)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        eventually_sync(lambda: _listens(port), "the old server listens", within=60)
        yield url
    finally:
        process.kill()
        process.wait(90)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


async def test_sessions_of_before_a_restart_are_404_and_another_begins_under_the_old_id(
    python: Path, tmp_path: Path
) -> None:
    port = free_port()
    grants = [{"to": {"all": True}, "tools": ["lookup"]}]
    async with contextlib.AsyncExitStack() as stack:
        server = contextlib.ExitStack()
        stack.callback(server.close)
        url = await asyncio.to_thread(server.enter_context, old_server(python, port))
        origin = {"url": url}
        lock = await asyncio.to_thread(lambda: build_lock(probe(OriginSettings(url=url), timeout=60)))
        guard = await stack.enter_async_context(
            guarded(Origin(), tmp_path, origin=origin, tool_lock=lock.dump(), grants=grants)
        )
        sessions: list[str | None] = []
        for _ in range(FAILURES + 1):
            guard.session = None
            await guard.initialize()
            await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
            assert "found x" in str(await guard.call("lookup", {"text": "x"}))
            sessions.append(guard.session)
        await asyncio.to_thread(server.close)
        await asyncio.to_thread(server.enter_context, old_server(python, port))
        for session in sessions:
            guard.session = session
            assert (await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 404
        assert ("ping", "error", "origin_404") in guard.reasons()
        assert not guard.service.runtime.origin.is_open
        # As some clients do, without leaving the old id out.
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        begun = await guard.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        guard.session = begun.headers["mcp-session-id"]
        assert guard.session not in sessions
        await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert "found y" in str(await guard.call("lookup", {"text": "y"}))
