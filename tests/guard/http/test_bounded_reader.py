"""Nobody who is not identified yet takes more of the guard than the bounds give: bytes, lines, time, connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from guard.http.request_bounds import RequestBounds
from tests.support.guard_messages import call, result
from tests.support.guard_service import LEGACY, Guarded, Origin, guarded, sse
from tests.support.raw_http import exchanged
from tests.support.waiting import eventually


def head(guard: Guarded, extra: bytes = b"", body: bytes = b"") -> bytes:
    host = f"127.0.0.1:{guard.config.listen.port}"
    lines = f"POST /mcp HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return lines.encode() + b"content-length: %d\r\n%s\r\n%s" % (len(body), extra, body)


@contextlib.asynccontextmanager
async def connected(guard: Guarded) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", guard.config.listen.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def refused(guard: Guarded, answer: bytes, status: int, reason: str) -> None:
    """The answer, its record and its incident say the same."""
    assert answer.split()[1] == str(status).encode()
    record = guard.records()[-1]
    assert (record["decision"], record["reason"]) == ("refuse", reason)
    assert f"ringwall-incident: {record['incident']}".encode() in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["data"]["incident"] == record["incident"]


@pytest.mark.parametrize(
    ("extra", "taken"),
    [
        (b"x: 1\r\n" * 90, True),
        (b"x: 1\r\n" * 101, False),
        (b"x: " + b"1" * 31_000 + b"\r\n", True),
        (b"x: " + b"1" * 33_000 + b"\r\n", False),
    ],
    ids=["90 lines", "101 lines", "31 KB", "33 KB"],
)
async def test_a_head_has_100_lines_and_32_kib(tmp_path: Path, extra: bytes, taken: bool) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        session = f"mcp-session-id: {guard.session}\r\nmcp-protocol-version: {LEGACY}\r\n".encode()
        answer = await exchanged(guard.config.listen.port, head(guard, session + extra, json.dumps(call(1)).encode()))
        if taken:
            assert answer.split()[1] == b"200"
        else:
            refused(guard, answer, 431, "head_too_large")


async def test_a_line_that_comes_in_pieces_and_never_ends_is_bounded(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard, connected(guard) as (reader, writer):
        writer.write(head(guard)[:-2] + b"x: ")
        answering = asyncio.ensure_future(reader.read())
        sent = 0
        while not answering.done() and sent < 400_000:
            with contextlib.suppress(ConnectionError):
                writer.write(b"1" * 4096)
                await writer.drain()
            sent += 4096
            await asyncio.sleep(0)
        with contextlib.suppress(ConnectionError):
            await answering
        assert guard.reasons()[-1] == ("http", "refuse", "head_too_large")


async def test_the_trailers_of_a_body_count_as_lines_of_its_head(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        start = head(guard).replace(b"content-length: 0", b"transfer-encoding: chunked")
        refused(
            guard,
            await exchanged(guard.config.listen.port, start + b"0\r\n" + b"x: 1\r\n" * 101 + b"\r\n"),
            431,
            "head_too_large",
        )


async def chunked_call(guard: Guarded, body: bytes) -> bytes:
    """The answer to a call whose chunked body is written as it is."""
    await guard.initialize()
    session = f"mcp-session-id: {guard.session}\r\nmcp-protocol-version: {LEGACY}\r\n".encode()
    start = head(guard, session).replace(b"content-length: 0", b"transfer-encoding: chunked")
    try:
        return await exchanged(guard.config.listen.port, start + body)
    except ConnectionError:  # the guard closed before all was sent, and the kernel answers that with a reset
        return b""


async def refused_for_framing(guard: Guarded, body: bytes) -> None:
    if answer := await chunked_call(guard, body):
        refused(guard, answer, 413, "chunk_framing")
    await eventually(lambda: guard.reasons()[-1:] == [("http", "refuse", "chunk_framing")], "it is refused")


@pytest.mark.parametrize(
    "framing",
    [
        b"1;" + b"x" * 65_000 + b"\r\n \r\n",
        b"1;x=" + b"y" * 500 + b"\r\n \r\n",
        b"1;x=" + b'"' + b";" * 3000 + b'"' + b"\r\n \r\n",
    ],
    ids=["one line", "many lines", "quoted"],
)
async def test_extensions_of_chunks_are_bounded(tmp_path: Path, framing: bytes) -> None:
    times = 1 if len(framing) > 60_000 else 60_000 // len(framing)
    async with guarded(Origin(), tmp_path) as guard:
        await refused_for_framing(guard, framing * times + b"0\r\n\r\n")


async def test_a_trailer_that_never_ends_is_bounded(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await refused_for_framing(guard, b"2\r\n{}\r\n0\r\nx: " + b"y" * 60_000)


@pytest.mark.parametrize("line", [b"1\r\n%c\r\n", b"0000000000000001\r\n%c\r\n", b"1;x=1\r\n%c\r\n"])
async def test_a_body_of_very_many_small_chunks_is_read(tmp_path: Path, line: bytes) -> None:
    text = json.dumps(call(1, text="y" * 5_000)).encode()
    async with guarded(Origin(), tmp_path) as guard:
        answer = await chunked_call(guard, b"".join(line % letter for letter in text) + b"0\r\n\r\n")
        assert answer.split()[1] == b"200"
        assert b"done" in answer


async def test_two_hundred_thousand_lines_take_no_memory(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        flood = head(guard)[:-2] + b"a: b\r\n" * 200_000

        def send() -> None:
            address = ("127.0.0.1", guard.config.listen.port)
            with socket.create_connection(address) as sender, contextlib.suppress(OSError):
                sender.sendall(flood)

        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await asyncio.to_thread(send)
            await eventually(lambda: guard.reasons()[-1:] == [("http", "refuse", "head_too_large")], "it is refused")
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert peak < 2_000_000


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"POST /mcp HT", b"POST /mcp HTTP/1.1\r\nhost: a\r\n"])
async def test_a_request_that_does_not_arrive_ends(tmp_path: Path, sent: bytes) -> None:
    bounds = RequestBounds(head_seconds=0.2)
    async with guarded(Origin(), tmp_path, bounds=bounds) as guard, connected(guard) as (reader, writer):
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 60)
        if sent.strip():
            refused(guard, answer, 408, "too_slow")
        else:
            assert answer == b""


async def test_a_head_that_drips_ends(tmp_path: Path) -> None:
    bounds = RequestBounds(head_seconds=0.2)
    async with guarded(Origin(), tmp_path, bounds=bounds) as guard, connected(guard) as (reader, writer):
        writer.write(b"POST /mcp HTTP/1.1\r\n")
        answering = asyncio.ensure_future(reader.read())

        async def ended() -> bool:
            with contextlib.suppress(ConnectionError):
                writer.write(b"x: 1\r\n")
                await writer.drain()
            return answering.done()

        await eventually(ended, "the connection ends")
        assert ("http", "refuse", "too_slow") in guard.reasons() or guard.reasons()[-1][2] == "head_too_large"


async def test_a_second_request_on_a_connection_has_a_head_of_its_own_time(tmp_path: Path) -> None:
    bounds = RequestBounds(head_seconds=1.5)
    async with guarded(Origin(), tmp_path, bounds=bounds) as guard, connected(guard) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await reader.readuntil(b"ok\n")
        begun = time.monotonic()
        # The silence between two requests is the keep-alive's, which is longer.
        await eventually(lambda: time.monotonic() - begun > 2, "more time passes than a head has")
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await reader.readuntil(b"ok\n")
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        refused(guard, await asyncio.wait_for(reader.read(), 60), 408, "too_slow")


async def test_a_body_has_its_time_and_every_part_of_it_buys_more(tmp_path: Path) -> None:
    body = json.dumps(call(1)).encode()
    async with guarded(Origin(), tmp_path, bounds=RequestBounds(body_seconds=1.5, body_rate=10)) as guard:
        await guard.initialize()
        start = head(
            guard,
            f"mcp-session-id: {guard.session}\r\nmcp-protocol-version: {LEGACY}\r\n".encode(),
            body,
        ).removesuffix(body)
        async with connected(guard) as (reader, writer):
            writer.write(start + body[:60])  # which buys six seconds
            begun = time.monotonic()
            await eventually(lambda: time.monotonic() - begun > 2, "more time passes than a body without parts has")
            writer.write(body[60:])
            assert b'"done"' in await asyncio.wait_for(reader.read(), 60)
        async with connected(guard) as (reader, writer):
            writer.write(start + body[:1])
            refused(guard, await asyncio.wait_for(reader.read(), 60), 408, "too_slow")
        assert len(guard.origin.calls) == 1


async def test_the_time_of_a_call_is_not_the_clients(tmp_path: Path) -> None:
    begun = time.monotonic()

    async def slow(_: object) -> dict[str, object]:
        await eventually(lambda: time.monotonic() - begun > 2, "the call takes longer than a request may")
        return result("late")

    bounds = RequestBounds(head_seconds=1.5, body_seconds=1.5)
    async with guarded(Origin(replies={"tools/call": slow}), tmp_path, bounds=bounds) as guard:
        await guard.initialize()
        begun = time.monotonic()
        assert (await guard.call("search"))["result"] == result("late")


async def test_connections_are_bounded_and_a_place_that_is_free_is_given_again(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, bounds=RequestBounds(connections=2)) as guard:
        probe = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        async with connected(guard), connected(guard):
            answer = await exchanged(guard.config.listen.port, probe)
            refused(guard, answer, 429, "too_many_connections")

        async def free() -> bool:
            return b" 200 OK" in await exchanged(guard.config.listen.port, probe)

        await eventually(free, "a connection is served")


async def test_requests_that_wait_on_one_connection_are_bounded(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        probe = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
        assert await exchanged(guard.config.listen.port, probe * 40) == b""
        assert guard.reasons()[-1] == ("http", "refuse", "too_many_connections")
        answer = await exchanged(guard.config.listen.port, probe * 9 + probe[:-2] + b"connection: close\r\n\r\n")
        assert answer.count(b"ok\n") == 10


async def test_what_is_no_http_has_an_incident_too(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        refused(guard, await exchanged(guard.config.listen.port, b"\x16\x03\x01 hello\r\n\r\n"), 400, "not_http")


async def test_the_streams_of_a_principal_are_bounded(tmp_path: Path) -> None:
    over = asyncio.Event()

    async def listen(_: Request) -> Response:
        return sse(": hello\n\n", then=over.wait)  # type: ignore[arg-type]

    origin = Origin(get=listen)
    async with guarded(origin, tmp_path, bounds=RequestBounds(streams=1), limits={"concurrency": 1}) as guard:
        headers = {"accept": "text/event-stream"}
        async with (
            guard.client.stream("GET", "/mcp", headers=headers) as first,
            guard.client.stream("GET", "/mcp", headers=headers) as second,
        ):
            third = await guard.client.get("/mcp", headers=headers)
            assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
            assert guard.reasons()[-1] == ("http", "refuse", "too_many_streams")
            assert third.headers["ringwall-incident"] == guard.records()[-1]["incident"]
            over.set()

        async def room() -> bool:
            return (await guard.client.get("/mcp", headers=headers)).status_code == 200

        await eventually(room, "there is room again")


def test_no_more_connections_are_taken_than_there_are_files_for() -> None:
    assert RequestBounds(connections=4096).within(1024).connections == 480
    assert RequestBounds(connections=100).within(1024).connections == 100
    assert RequestBounds().within(resource.RLIM_INFINITY if resource.RLIM_INFINITY > 0 else 10**9).connections == 4096
