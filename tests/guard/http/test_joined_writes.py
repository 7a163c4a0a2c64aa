"""One answer is one write; nothing of it is lost or late, also when the connection ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from guard.http.joined_writes import JoinedWrites, _Joined
from tests.support.waiting import eventually

App = Callable[[Any, Any, Any], Awaitable[None]]


class Wire(asyncio.Transport):
    """The far end: what was written, piece by piece, and whether the connection was closed after it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes | str] = []

    def write(self, data: Any) -> None:
        self.seen.append(bytes(data))

    def close(self) -> None:
        self.seen.append("closed")

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return "closed" in self.seen


async def answer_of(app: App, request: bytes, parts: int) -> list[bytes | str]:
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
    config.load()
    protocol, wire = JoinedWrites(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    protocol.data_received(request)
    await eventually(lambda: len(wire.seen) >= parts, f"{parts} writes were made")
    return wire.seen


async def single(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def streamed(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    for _ in range(3):  # turns in which nothing is said: the head is out by then
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"one", "more_body": False})


async def test_head_and_body_leave_in_one_write() -> None:
    (written,) = await answer_of(single, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 1)
    assert isinstance(written, bytes)
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nok")


async def test_the_head_of_a_stream_does_not_wait_for_its_first_event() -> None:
    head, body = await answer_of(streamed, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 2)
    assert isinstance(head, bytes)
    assert head.endswith(b"\r\n\r\n")
    assert body == b"3\r\none\r\n0\r\n\r\n"


async def test_a_connection_is_closed_after_its_last_write() -> None:
    written, closed = await answer_of(single, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 2)
    assert isinstance(written, bytes)
    assert written.endswith(b"ok")
    assert closed == "closed"


class Ended(asyncio.Protocol):
    """A far end that says when its connection is over."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()


def test_what_is_written_to_a_connection_that_is_lost_is_dropped() -> None:
    problems: list[dict[str, Any]] = []

    async def lose() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, problem: problems.append(problem))
        ended = asyncio.Event()
        server = await loop.create_server(lambda: Ended(ended), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        # As uvicorn does where a client resets its connection while its answer is written.
        joined = _Joined(transport, loop)
        transport.abort()
        await ended.wait()
        joined.write(b"answer")
        await asyncio.sleep(0)
        server.close()
        await server.wait_closed()

    uvloop.run(lose())
    assert problems == []


async def test_a_body_that_looks_like_a_head_is_sent() -> None:
    body = b"HTTP/1.1 200 OK"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"15")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": body})

    head, written = await answer_of(app, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 2)
    assert isinstance(head, bytes)
    assert head.endswith(b"\r\n\r\n")
    assert written == body


async def test_a_client_that_waits_to_send_its_body_is_told_at_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await single(scope, receive, send)

    request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n"
    (written,) = await answer_of(app, request, 1)
    assert written == b"HTTP/1.1 100 Continue\r\n\r\n"
