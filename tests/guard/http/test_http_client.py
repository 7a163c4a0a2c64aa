"""The guard's HTTP client against servers that write their answers byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from guard.http.http_client import (
    IDLE_SECONDS,
    READ_AHEAD,
    ArrivingAnswer,
    BrokenOff,
    ConnectionRefusal,
    HttpClient,
    LongFraming,
    LongHeader,
    NotHttp,
)
from tests.support.waiting import PATIENCE, eventually

OK = b"HTTP/1.1 200 OK\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The guard runs on uvloop where there is one, and on asyncio's own loop elsewhere."""
    return "asyncio", {"use_uvloop": request.param}


class ScriptedServer:
    """A server that reads requests without bodies; `connections` counts how many were taken, `requests` holds the heads."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.open = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def ended(self) -> None:
        await eventually(lambda: self.open == 0, "every connection ends")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                for part in answer.split(b"|"):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                if answer.endswith(b"|"):  # the connection ends with the answer
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.open -= 1


@contextlib.asynccontextmanager
async def served(server: ScriptedServer, silence: float = 20) -> AsyncIterator[HttpClient]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp?set=a b"
        client = HttpClient(url, connect=5, silence=silence, longest_header=1000)
        try:
            yield client
        finally:
            await client.close()
            await server.ended()


async def get(client: HttpClient) -> ArrivingAnswer:
    return await client.request("GET", {"accept": "*/*"}, None)


async def body_of(answer: ArrivingAnswer) -> bytes:
    parts = []
    while part := await answer.part():
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"content-length: 5\r\n\r\nhello", b"hello"),
        (
            OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhel|lo\r\n3 \r\nyou\r\n0\r\nmcp-session-id: x\r\n\r\n",
            b"helloyou",
        ),
        (OK + b"x: y\r\n\r\nto the e|nd|", b"to the end"),
        (b"HTTP/1.1 103 Early\r\nmcp-session-id: x\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", b"hi"),
        (OK + b"con|tent-le|ngth: 2\r|\n\r\nhi", b"hi"),
    ],
)
async def test_an_answer_is_read_to_its_end_and_a_trailer_is_no_header(answer: bytes, body: bytes) -> None:
    async with served(ScriptedServer(answer)) as client:
        for _ in range(2):
            got = await get(client)
            assert (got.status, await body_of(got)) == (200, body)
            assert "mcp-session-id" not in got.headers


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", NotHttp),
        (OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!", NotHttp),
        (OK + b"content-length: -1\r\n\r\n", NotHttp),
        (OK + b"bad name: 1\r\n\r\n", NotHttp),
        (b"hello\r\n\r\n", NotHttp),
        (OK + b"x: " + b"a" * 1001 + b"\r\ncontent-length: 0\r\n\r\n", LongHeader),
        (OK + b"x: " + b"|".join([b"a" * 900] * 4), LongHeader),
        (OK + b"x: 1\r\n" * 129 + b"content-length: 0\r\n\r\n", LongHeader),
        (b"|", BrokenOff),
        (b"HTTP/1.1 200|", BrokenOff),
    ],
)
async def test_what_has_no_one_meaning_is_no_answer(answer: bytes, error: type[Exception]) -> None:
    async with served(ScriptedServer(answer)) as client:
        with pytest.raises(error):
            await get(client)


@pytest.mark.parametrize(
    "framing",
    [
        b"1;" + b"x" * 65_000 + b"\r\ny\r\n",
        (b"1;" + b"x" * 500 + b"\r\ny\r\n") * 120,
        (b"1\r\ny\r\n" * 30 + b"1;" + b"x" * 2000 + b"\r\ny\r\n") * 60,
        b"0\r\nx: " + b"y" * 65_000,
    ],
    ids=["one line", "many lines", "among small chunks", "a trailer"],
)
async def test_what_the_chunks_of_an_answer_hold_beside_its_content_is_bounded(framing: bytes) -> None:
    async with served(ScriptedServer(OK + b"transfer-encoding: chunked\r\n\r\n" + framing)) as client:
        with pytest.raises(LongFraming):
            await body_of(await get(client))


async def test_an_answer_of_very_many_small_chunks_is_read() -> None:
    chunks = b"".join(b"0000000000000001\r\n%c\r\n" % letter for letter in b"y" * 9000)
    async with served(ScriptedServer(OK + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")) as client:
        assert await body_of(await get(client)) == b"y" * 9000


@pytest.mark.parametrize("answer", [b"content-length: 5\r\n\r\nhel|", b"transfer-encoding: chunked\r\n\r\n5\r\nhel|"])
async def test_an_answer_without_its_end_is_never_taken_for_whole(answer: bytes) -> None:
    async with served(ScriptedServer(OK + answer)) as client:
        with pytest.raises(BrokenOff):
            await body_of(await get(client))


async def test_a_connection_is_used_again_and_its_request_says_what_it_should() -> None:
    server = ScriptedServer(OK + b"content-length: 2\r\n\r\nhi")
    async with served(server) as client:
        for _ in range(3):
            assert await body_of(await get(client)) == b"hi"
        assert server.connections == 1
        host = server.requests[0].split(b"Host: ")[1].split(b"\r\n")[0]
        assert server.requests[0] == b"GET /mcp?set=a%20b HTTP/1.1\r\nHost: " + host + b"\r\naccept: */*\r\n\r\n"
        first, second = await asyncio.gather(get(client), get(client))
        assert await body_of(first) == await body_of(second) == b"hi"
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        # A second answer, which would be taken for that to the next request.
        (OK + b"content-length: 2\r\n\r\nhi") * 2,
    ],
)
async def test_a_connection_that_cannot_be_trusted_further_is_not_used_again(answer: bytes) -> None:
    server = ScriptedServer(answer)
    async with served(server) as client:
        for number in range(1, 4):
            assert await body_of(await get(client)) == b"hi"
            assert server.connections == number


async def test_what_comes_unasked_ends_the_connection() -> None:
    server = ScriptedServer(OK + b"content-length: 2\r\n\r\nhi", OK + b"content-length: 2\r\n\r\nno")
    writers: list[asyncio.StreamWriter] = []

    async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await server.serve(reader, writer)

    listener = await asyncio.start_server(relayed, "127.0.0.1", 0)
    async with listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        client = HttpClient(url, connect=5, silence=5, longest_header=1000)
        assert await body_of(await get(client)) == b"hi"
        writers[0].write(OK + b"content-length: 4\r\n\r\nevil")
        await server.ended()
        assert await body_of(await get(client)) == b"no"
        assert server.connections == 2
        await client.close()
        await server.ended()


async def test_a_server_that_is_silent_is_given_up_and_a_stream_that_began_is_not() -> None:
    async with served(ScriptedServer(b""), silence=0.1) as client:
        with pytest.raises(BrokenOff) as caught:
            await get(client)
        assert caught.value.silent
        with pytest.raises(BrokenOff):
            await client.request("GET", {}, None, endless=True)
    async with served(ScriptedServer(OK + b"content-length: 5\r\n\r\nhel"), silence=0.1) as client:
        with pytest.raises(BrokenOff):
            await body_of(await get(client))
        # A head has a longest silence in a stream too, and a busy machine is slow to send it.
        client.silence = PATIENCE
        answer = await client.request("GET", {}, None, endless=True)
        assert await answer.part() == b"hel"
        client.silence = 0.1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.part(), 0.5)


async def test_a_server_waits_while_nobody_reads_and_an_answer_that_is_left_ends_its_connection() -> None:
    size = 64 * READ_AHEAD
    server = ScriptedServer(OK + b"content-length: %d\r\n\r\n" % size + b"a" * size)
    async with served(server) as client:
        answer = await get(client)
        await asyncio.sleep(0.2)
        assert answer.held <= 2 * READ_AHEAD
        assert len(await body_of(answer)) == size
        answer = await get(client)
        assert server.connections == 1
        answer.close()
        await server.ended()


async def test_a_connection_whose_server_was_made_to_wait_for_long_is_not_used_again() -> None:
    """uvicorn counts a connection as idle once it has the answer's end to write, however slowly that is read."""
    large = 4 * READ_AHEAD
    server = ScriptedServer(OK + b"content-length: %d\r\n\r\n" % large + b"x" * large)
    async with served(server) as client:
        answer = await get(client)
        await eventually(lambda: answer.held > READ_AHEAD, "the server waits")
        until = client.loop.time() + IDLE_SECONDS
        await eventually(lambda: client.loop.time() > until, "as long as an unused connection is kept")
        assert len(await body_of(answer)) == large
        await (await get(client)).part()
        assert server.connections == 2


async def test_what_arrived_before_the_connection_was_lost_is_read_and_then_the_loss() -> None:
    lost = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: %d\r\n\r\n" % (64 * READ_AHEAD) + b"a" * (16 * READ_AHEAD))
        await lost.wait()
        writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        client = HttpClient(url, connect=5, silence=5, longest_header=1000)
        answer = await get(client)
        await eventually(lambda: answer.held > READ_AHEAD, "the client stops to read")
        lost.set()
        with pytest.raises(BrokenOff):
            await body_of(answer)
        await client.close()


async def test_a_header_that_would_be_two_is_not_sent_and_a_server_that_is_away_is_said_to_be() -> None:
    server = ScriptedServer(OK)
    async with served(server) as client:
        for value in ("a\r\nx: y", "a\nb", "a\0"):
            with pytest.raises(ValueError, match="line break"):
                await client.request("GET", {"x": value}, None)
        assert server.requests == []
    with pytest.raises(ConnectionRefusal):
        await get(client)
