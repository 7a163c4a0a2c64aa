"""A lean HTTP/1.1 client for the guard's way to one server: one request, one answer read as it arrives, connections kept.

The parser is httptools' (llhttp, in C), the same that reads what clients send. A general client's own work for each request
(URLs, cookies, redirects, its streams and timers) took a quarter of the guard's time for a small call; none of it is wanted
here, where the address is fixed and no redirect is followed. An answer has exactly one end: what follows it on the
connection, or two ways to say how long it is, makes the connection unusable.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httptools

from guard.http.chunk_framing import MOST_FRAMING, PIECE, framing_after

#: Seconds that an unused connection is kept: less than the five after which Node's and Python's usual servers close theirs,
#: as a request that meets such an end may or may not have been carried out.
IDLE_SECONDS = 4.0
#: Bytes of an answer that wait to be read, before the server is made to wait.
READ_AHEAD = 2**18
#: Headers of an answer at most.
MAX_HEADERS = 128
#: What stands in a URL as it is (RFC 3986), the escapes that it has already among it.
_URL_MARKS = "/?%:@!$&'()*+,;=~-._[]"


class ConnectionRefusal(Exception):
    """The server does not take the connection, so nothing was sent. `silent`: it did not even refuse it."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


class BrokenOff(Exception):
    """The connection ended, or was silent for too long, before the answer's end."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


class NotHttp(Exception):
    """The answer is not HTTP/1.1."""


class LongHeader(NotHttp):
    """The answer has a longer header, or more of them, than are read."""


class LongFraming(NotHttp):
    """The chunks of the answer hold more beside its content than is read."""


class HttpClient:
    """Connections to one http or https URL, or through a Unix `socket`. Use and close it inside one event loop.

    Args:
        connect: seconds that the server has to take a connection.
        silence: seconds between two pieces of an answer.
        longest_header: bytes of one header of an answer.
    """

    def __init__(
        self, url: str, *, socket: str | None = None, connect: float, silence: float, longest_header: int
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" and socket is None else None
        self._port = parts.port or (443 if self._tls else 80)
        self._socket = socket
        path, query = quote(parts.path or "/", _URL_MARKS), quote(parts.query, _URL_MARKS)
        self._target = f"{path}?{query}" if query else path
        self._authority = parts.netloc.rpartition("@")[2]
        self._connect = connect
        self.silence = silence
        self.check_every = min(IDLE_SECONDS, silence)
        self.longest_header = longest_header
        self.loop = asyncio.get_running_loop()
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()

    async def request(
        self, verb: str, headers: Mapping[str, str], body: bytes | None, *, endless: bool = False
    ) -> ArrivingAnswer:
        """Send one request, and return its answer once the headers are there; the caller reads it to its end or closes it.

        Args:
            headers: by lower-case name; `host` replaces the URL's own.
            endless: once it has begun, the answer may be silent for ever.

        Raises:
            ConnectionRefusal, BrokenOff, NotHttp: there is no answer.
            ValueError: a header is none.
        """
        head = self._head(verb, headers, body)
        connection = self._unused() or await self._connected()
        answer = connection.begin(head if body is None else head + body, endless=endless)
        try:
            await answer.begun()
        except BaseException:
            connection.abort()
            raise
        return answer

    def _head(self, verb: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        lines = [f"{verb} {self._target} HTTP/1.1"]
        if "host" not in headers:
            lines.append(f"Host: {self._authority}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join((*lines, "\r\n"))
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1 or "\0" in head:
            raise ValueError("a header's value holds a line break")
        return head.encode()

    def _unused(self) -> _Connection | None:
        while self._idle:
            # The last used one: the others grow old and end.
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.abort()
        return None

    async def _connected(self) -> _Connection:
        try:
            async with asyncio.timeout(self._connect):
                if self._socket is not None:
                    _, connection = await self.loop.create_unix_connection(lambda: _Connection(self), self._socket)
                else:
                    _, connection = await self.loop.create_connection(
                        lambda: _Connection(self), self._host, self._port, ssl=self._tls
                    )
        except TimeoutError as error:
            raise ConnectionRefusal(type(error).__name__, silent=True) from None
        except OSError as error:
            raise ConnectionRefusal(type(error).__name__) from None
        return connection

    def opened(self, connection: _Connection) -> None:
        self._open.add(connection)

    def unused(self, connection: _Connection) -> None:
        """Keep a connection whose answer ended for the next request."""
        self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def close(self) -> None:
        """End every connection."""
        for connection in tuple(self._open):
            connection.abort()


class ArrivingAnswer:
    """An answer as it arrives. `headers` are by lower-case name, of several equal names the first."""

    __slots__ = ("_connection", "_failure", "_parts", "_size", "_waiter", "ended", "headers", "status")

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._parts: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False

    async def begun(self) -> None:
        """Wait for the headers."""
        while not self.status:
            await self._news()

    async def part(self) -> bytes:
        """What arrived of the body since the last part; empty at its end. Raises BrokenOff or NotHttp where it has none."""
        while not self._parts:
            if self.ended:
                return b""
            await self._news()
        part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if not self.ended:
            self._connection.read_on()
        return part

    def close(self) -> None:
        """Have done with the answer: where it did not end, its connection does, by which the server learns of it."""
        if not self.ended:
            self._connection.abort()

    @property
    def held(self) -> int:
        """Bytes that arrived and were not read."""
        return self._size

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for the server at this moment."""
        return self._waiter is not None

    async def _news(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._connection.client.loop.create_future()
        try:
            self._connection.touch()
            await self._waiter
        finally:
            self._waiter = None

    def take(self, part: bytes) -> bool:
        """Keep a part of the body. False once the server should wait."""
        self._parts.append(part)
        self._size += len(part)
        return self._size <= READ_AHEAD

    def wake(self) -> None:
        """Tell whoever waits that something arrived."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, failure: Exception) -> None:
        """What arrived before can still be read; then whoever reads meets the failure."""
        if not self.ended and self._failure is None:
            self._failure = failure
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(failure)


class _Connection(asyncio.Protocol):
    """One connection and the answer under way on it. One timer a connection, which looks whether it is silent or unused."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self._answer: ArrivingAnswer | None = None
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._parser: Any = None
        self._endless = False
        self._in_head = False
        self._until_end = False
        self._paused = False
        self._headers: dict[str, str] = {}
        self._count = self._size = self._content = self._chunks = self._framing = 0
        self._keep = False
        #: Since when the server has been made to wait with the rest of its answer; 0 while it has not.
        self._waited = 0.0
        #: When the server was last heard, or began to be waited for.
        self._heard = 0.0

    # -- requests -----------------------------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether the connection is open, and was used so lately that the server holds it too."""
        return not self._transport.is_closing() and self.client.loop.time() - self._heard < IDLE_SECONDS

    def begin(self, request: bytes, *, endless: bool) -> ArrivingAnswer:
        """Send a request; its answer has not begun."""
        self._answer = answer = ArrivingAnswer(self)
        self._endless = endless
        self.touch()
        if self._transport.is_closing():
            answer.fail(BrokenOff("the connection ended"))
        else:
            self._transport.write(request)
        return answer

    def touch(self) -> None:
        """Begin to count the silence anew."""
        self._heard = self.client.loop.time()

    def read_on(self) -> None:
        """Let the server send more."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    # -- the transport ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        # As other clients read: a line may end without CR (RFC 9112 section 2.2), blanks follow a chunk's size.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self.client.opened(self)
        self.touch()
        self._timer = self.client.loop.call_later(self.client.check_every, self._check_time)

    def data_received(self, data: bytes) -> None:
        if len(data) > PIECE:
            for begin in range(0, len(data), PIECE):
                self.data_received(data[begin : begin + PIECE])
            return
        answer = self._answer
        if answer is None:
            self.abort()  # nothing was asked
            return
        self.touch()
        in_body, content, chunks = answer.status, self._content, self._chunks
        try:
            self._parser.feed_data(data)
            if in_body and not answer.ended:
                overhead = len(data) - (self._content - content)
                self._framing = framing_after(self._framing, overhead, self._chunks - chunks)
                if self._framing > MOST_FRAMING:
                    raise LongFraming(f"its chunks hold more than {MOST_FRAMING} bytes beside the content")
            elif self._in_head:
                # The parser tells of a header at its end alone, and holds it until then.
                self._size += len(data)
                if self._size > self.client.longest_header * 2:
                    raise LongHeader
        except httptools.HttpParserUpgrade:
            self._keep = False
        except (httptools.HttpParserError, NotHttp) as error:
            long = isinstance(error, LongHeader) or isinstance(error.__context__, LongHeader)
            answer.fail(LongHeader() if long else error if isinstance(error, LongFraming) else NotHttp())
            self.abort()
        answer.wake()
        if answer.ended:
            self._answer = None
            self.read_on()
            if self._waited:
                self._heard = self._waited  # a server may count the time that it was made to wait as idle
            if self._keep and not self._transport.is_closing() and not self._transport.get_write_buffer_size():
                self.client.unused(self)
            else:
                self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.client.lost(self)
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if exc is None and self._until_end and answer.status:
            answer.ended = True
            answer.wake()
        else:
            answer.fail(BrokenOff("the connection ended" if exc is None else type(exc).__name__))

    def _check_time(self) -> None:
        """End the connection if it is unused, or its server silent, for too long."""
        answer, loop = self._answer, self.client.loop
        allowed = IDLE_SECONDS
        if answer is not None:
            if not answer.awaited:
                self.touch()  # the guard does not read, so nobody can say that the server does not send
            # A stream may be silent for ever, but its headers must arrive in time.
            allowed = float("inf") if self._endless and answer.status else self.client.silence
        remaining = self._heard + allowed - loop.time()
        if remaining > 0:
            self._timer = loop.call_later(min(remaining, self.client.check_every), self._check_time)
            return
        if answer is not None:
            answer.fail(BrokenOff("TimeoutError", silent=True))
        self.abort()

    # -- the parser's reports -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.status:
            raise NotHttp  # a second answer to one request
        self._in_head = True
        self._waited = 0.0
        self._headers = {}
        self._count = self._size = self._content = self._chunks = self._framing = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer, which is part of the body
        self._count += 1
        self._size = 0
        if self._count > MAX_HEADERS or len(name) + len(value) > self.client.longest_header:
            raise LongHeader
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape").strip())

    def on_headers_complete(self) -> None:
        self._in_head = False
        status = self._parser.get_status_code()
        if self._answer is None or (100 <= status < 200 and status != 101):
            return  # the answer proper follows (RFC 9110 section 15.2)
        coding = self._headers.get("transfer-encoding", "").lower()
        self._until_end = "content-length" not in self._headers and not coding.endswith("chunked")
        self._answer.headers = self._headers
        self._answer.status = status

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        self._content += len(body)
        if self._answer is not None and not self._answer.take(body) and not self._paused:
            self._paused = True
            self._waited = self._waited or self.client.loop.time()
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._answer is not None and self._answer.status:
            self._keep = self._parser.should_keep_alive()
            self._answer.ended = True
