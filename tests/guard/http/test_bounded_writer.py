"""A client that does not read its answer holds neither the answer nor a connection for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from guard.http import joined_writes
from guard.http.request_bounds import RequestBounds
from tests.support.guard_messages import call, result
from tests.support.guard_service import LEGACY, ME, Guarded, Origin, guarded, sse
from tests.support.waiting import eventually

#: More than the buffers of two sockets on loopback hold.
LARGE = "word " * 1_200_000


@contextlib.asynccontextmanager
async def idle_client(
    guard: Guarded, verb: str, body: bytes = b"", *, window: int = 4096
) -> AsyncIterator[socket.socket]:
    """A connection that asked and does not read; `window` is how many bytes of the answer its kernel takes."""
    lines = [
        f"{verb} /mcp HTTP/1.1",
        f"host: 127.0.0.1:{guard.config.listen.port}",
        "content-type: application/json",
        "accept: application/json, text/event-stream",
        f"content-length: {len(body)}",
        f"mcp-session-id: {guard.session}",
        f"mcp-protocol-version: {LEGACY}",
    ]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", guard.config.listen.port))
        await loop.sock_sendall(client, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        yield client


def cut(guard: Guarded) -> bool:
    return ("http", "refuse", "unread") in guard.reasons()


async def test_an_answer_that_nobody_reads_is_cut(tmp_path: Path) -> None:
    origin = Origin(replies={"tools/call": lambda message: result(LARGE)})
    async with guarded(origin, tmp_path, bounds=RequestBounds(answer_seconds=1.5, answer_rate=1e9)) as guard:
        await guard.initialize()
        async with idle_client(guard, "POST", json.dumps(call(1)).encode()) as client:
            await eventually(lambda: cut(guard), "the answer is cut")
            assert next(one for one in guard.records() if one["reason"] == "unread")["principal"] == ME
            received = 0
            with contextlib.suppress(ConnectionError):
                while part := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1 << 20), 60):
                    received += len(part)
            assert received < len(LARGE)
        await eventually(lambda: guard.service.runtime.busy == 0, "the request is over")
        origin.replies["tools/call"] = lambda message: result("short")
        assert (await guard.call("search"))["result"]["content"]


async def test_a_stream_that_nobody_reads_is_cut(tmp_path: Path) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": LARGE}}

    async def stream(_: Request) -> Response:
        return sse(note, then=asyncio.Event().wait)  # type: ignore[arg-type]

    bounds = RequestBounds(answer_seconds=0.2, answer_rate=1e9)
    async with guarded(Origin(get=stream), tmp_path, bounds=bounds) as guard:
        await guard.initialize()
        async with idle_client(guard, "GET"):
            await eventually(lambda: cut(guard), "the stream is cut")
        await eventually(lambda: guard.service.runtime.streaming == 0, "no stream is open")


async def test_an_answer_that_is_read_in_time_is_not_cut(tmp_path: Path) -> None:
    """Each 64 KiB that wait buy time, so a reader that is slow and goes on has its answer whole."""
    origin = Origin(replies={"tools/call": lambda message: result(LARGE)})
    async with guarded(origin, tmp_path, bounds=RequestBounds(answer_seconds=0, answer_rate=2e4)) as guard:
        await guard.initialize()
        # A busy machine takes long for every turn of reader and writer, so there are few of them.
        async with idle_client(guard, "POST", json.dumps(call(1)).encode(), window=1 << 16) as client:
            begun, received = time.monotonic(), b""
            while not received.endswith(b"}"):
                # 2 MB a second: far above what the bound asks for, as a busy machine reads later than it should.
                pause = begun + len(received) / 2e6 - time.monotonic()
                await asyncio.sleep(max(0, pause))
                part = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1 << 17), 60)
                assert part, "the answer was cut"
                received += part
        assert len(received) > len(LARGE)
        assert not cut(guard)


async def test_the_rest_of_an_answer_is_not_waited_for_once_its_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joined_writes, "CLOSE_SECONDS", 0.1)
    loop, lost = asyncio.get_running_loop(), asyncio.Event()

    class Protocol(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    ours, theirs = socket.socketpair()
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport, _ = await loop.create_connection(Protocol, sock=ours)
        joined = joined_writes._Joined(transport, loop)
        joined.write(b"x" * 30_000)
        joined.close()
        assert transport.get_write_buffer_size() > 0
        await asyncio.wait_for(lost.wait(), 60)
