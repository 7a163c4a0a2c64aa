"""Requests from the guard to an MCP server at a loopback URL or a Unix socket, and the answers as they arrive.

A server that is a command is in `guard.http.stdio`, the client in `guard.http.http_client`. It knows no proxies and follows
no redirects, so that nothing can come between guard and server. Compression is not asked for; a server that compresses all
the same is decoded piece by piece.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from guard.decide.reasons import Reason
from guard.http.http_client import (
    ArrivingAnswer,
    BrokenOff,
    ConnectionRefusal,
    HttpClient,
    LongFraming,
    LongHeader,
    NotHttp,
)
from guard.identity.exchanged_tokens import ExchangedToken, ExchangedTokens
from guard.identity.introduction import CallerIntroduction
from guard.memory import SMALL, HeldMessage, MemoryUsedUp, Room
from model.server import Origin
from wire.answer_headers import MAX_HEADER, HeaderFault, challenge_scheme, encoding_of, header_fault, passed
from wire.content_encoding import DECODED, Decoder
from wire.json import Malformed, dump, parse
from wire.sse import Event, Reader
from wire.token_endpoint import TokenRefused

#: Nothing was sent yet when a connection is refused, so trying again for this long bridges a restart.
RECONNECT_SECONDS = 2.0
_REASONS = {
    HeaderFault.STATUS: Reason.ORIGIN_MALFORMED,
    HeaderFault.REDIRECT: Reason.ORIGIN_REDIRECTS,
    HeaderFault.ENCODING: Reason.ORIGIN_ENCODING,
    HeaderFault.SESSION: Reason.ORIGIN_HEADER,
}


class UpstreamDown(Exception):
    """The server does not answer, broke off, or answered what is not HTTP for MCP. The message holds no payload.

    `sent` says whether the server may have received the request, in which case it may have carried it out; `silent` that
    it said nothing for too long.
    """

    def __init__(self, reason: str, *, sent: bool = True, silent: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.silent = silent


class Slip(UpstreamDown):
    """One request failed although the server is up: no breaker counts it, and the guard stays ready."""


class UpstreamFull(UpstreamDown):
    """The server works, and as many requests or processes as are allowed are in use already."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=False)


class IdInUse(Slip):
    """Another request with the id awaits its answer, so the server could not tell the two apart. Nothing was sent."""

    def __init__(self) -> None:
        super().__init__("an id is in use already", sent=False)


class NoToken(Slip):
    """There is no token by which the server would act as the caller, so nothing was sent. `wait` is in seconds.

    The message holds no token.
    """

    def __init__(self, problem: str, wait: float | None) -> None:
        super().__init__(problem, sent=False)
        self.wait = wait


class UnusableAnswer(Slip):
    """The server answered, and the answer cannot be passed on.

    The message and `place`, a JSON pointer, hold no payload.
    """

    def __init__(self, reason: Reason, problem: str, place: str = "") -> None:
        super().__init__(f"{problem} (at {place})" if place else problem)
        self.reason = reason


class Redirected(UnusableAnswer):
    """The server names another URL (`location`), which is never followed: nobody reviewed it."""

    def __init__(self, status: int, location: str, problem: str) -> None:
        super().__init__(Reason.ORIGIN_REDIRECTS, problem)
        self.status = status
        self.location = location


class AnswerTooLarge(Slip):
    """The server carried the request out, and its answer is larger than the guard passes on."""


class AnswerWithoutRoom(Slip):
    """The server carried the request out, and there is no memory for its answer beside those that are held."""


@dataclass(slots=True)
class UpstreamAnswer:
    """The server's status, the headers that reach the client (lower case), the media type, and the body in chunks."""

    status: int
    headers: Mapping[str, str]
    media_type: str
    _response: ArrivingAnswer | None = None
    _decoder: Decoder | None = None
    #: The scheme of the credentials that the server asks for, with 401.
    scheme: str = ""
    #: What was taken already for the chunk that comes next, where it was held before.
    _room: Room | None = None

    async def read(self, limit: int, held: HeldMessage) -> bytes:
        """The whole body, for which room is taken in `held`; raises AnswerTooLarge when it is over `limit` bytes,
        AnswerWithoutRoom, and UpstreamDown when it breaks off."""
        if self._decoder is None and self._response is not None and self._response.ended:
            body = await self._response.part()  # all of it is there, as it is for most answers
            if len(body) > limit:
                raise AnswerTooLarge("the answer is over the limit")
        else:
            body = await self._gathered(limit, held)
        if len(body) > SMALL:
            try:
                await held.complete(body)
            except MemoryUsedUp as problem:
                raise AnswerWithoutRoom(str(problem)) from None
        return body

    async def _gathered(self, limit: int, held: HeldMessage) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise AnswerTooLarge("the answer is over the limit")
            parts.append(chunk)
            self._pass_room(held)
            if size > SMALL:
                try:
                    await held.arriving(size)
                except MemoryUsedUp as problem:
                    raise AnswerWithoutRoom(str(problem)) from None
        return b"".join(parts)

    async def events(self, reader: Reader, held: HeldMessage, ending: bytes = b"") -> AsyncIterator[Event]:
        """The events of a stream as `reader` takes them, for each of which room is taken in `held` until the next one is
        asked for. `ending` is read behind its last byte. Raises AnswerWithoutRoom, and as `chunks` and the reader do."""
        try:
            async for chunk in self.chunks():
                self._pass_room(held)
                for event in reader.feed(chunk):
                    if event.data is not None and len(event.data) > SMALL:
                        await held.complete(event.data.encode())
                    yield event
                    held.drop()
                if reader.pending > SMALL:
                    await held.arriving(reader.pending)
            for event in reader.feed(ending, last=True) if ending else ():
                if event.data is not None and len(event.data) > SMALL:
                    await held.complete(event.data.encode())
                yield event
        except MemoryUsedUp as problem:
            raise AnswerWithoutRoom(str(problem)) from None

    def _pass_room(self, held: HeldMessage) -> None:
        if self._room is not None:
            room, self._room = self._room, None
            held.adopt(room)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk as it arrives; raises UpstreamDown when it breaks off."""
        if self._response is None:
            return
        try:
            while chunk := await self._response.part():
                if self._decoder is None:
                    yield chunk
                    continue
                for piece in self._decoder.feed(chunk):
                    yield piece
                    await asyncio.sleep(0)  # a small chunk may hold very many pieces, and others wait meanwhile
            if self._decoder is not None:
                self._decoder.finish()
        except Malformed as problem:
            raise UnusableAnswer(Reason.ORIGIN_ENCODING, str(problem)) from None
        except LongFraming as error:
            raise UnusableAnswer(Reason.ORIGIN_MALFORMED, str(error)) from None
        except NotHttp:
            raise UpstreamDown("the answer broke off (it is not HTTP from there on)") from None
        except BrokenOff as error:
            raise UpstreamDown(f"the answer broke off ({error})", silent=error.silent) from None

    def close(self) -> None:
        """Close the connection. In the 2026 era this is how the server learns of a cancellation."""
        if self._response is not None:
            self._response.close()
        if self._room is not None:
            self._room.release()


class Upstream(Protocol):
    """One MCP server, however it is reached. `owner` is the principal: principals never share a process of a command."""

    @property
    def exchanged(self) -> ExchangedTokens | None:
        """The tokens by which the server acts as its callers, where it does."""
        ...

    async def send(
        self, verb: str, headers: Mapping[str, str], body: bytes | None, *, owner: str
    ) -> UpstreamAnswer: ...

    def place(self, session: str | None, owner: str, *, modern: bool) -> str:
        """The key of the process that will serve a call; empty where there is none, or nothing but one server."""
        ...

    def road(self, place: str) -> AbstractAsyncContextManager[Road]:
        """The way of a probe to what serves `place`; raises UpstreamDown."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Introduced:
    """A conversation that is under way, so that a probe needs no introduction: its era, and the server's capabilities where
    they are known."""

    modern: bool
    capabilities: Mapping[str, Any] | None


class Road(Protocol):
    """How a probe reaches one server. `introduced` is None where the probe has to begin a conversation of its own."""

    @property
    def introduced(self) -> Introduced | None: ...

    @property
    def busy(self) -> bool:
        """Whether the server works on a client's request, and may answer a probe only after it."""
        ...

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None) -> UpstreamAnswer: ...

    async def restart(self) -> None:
        """Begin anew, as the server ended or fell silent on what it did not know."""
        ...


async def send_with_token(
    upstream: Upstream,
    exchanged: ExchangedTokens,
    token_of: Callable[[], Awaitable[ExchangedToken | None]],
    verb: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    owner: str,
) -> UpstreamAnswer:
    """Send one request with the token that the server acts by; once more with another where the server refuses one that was
    used before, as it carried nothing out then (401).

    Raises UpstreamDown, which NoToken is.
    """
    while True:
        try:
            token = await token_of()
        except TokenRefused as refused:
            raise NoToken(str(refused), refused.wait) from None
        sent = headers if token is None else {**headers, "authorization": f"Bearer {token.text}"}
        answer = await upstream.send(verb, sent, body, owner=owner)
        if answer.status != 401 or token is None or not token.reused:
            return answer
        answer.close()
        exchanged.drop(token)


class HttpRoad:
    """A server that listens: a probe is one more of its clients."""

    introduced = None
    busy = False

    def __init__(self, upstream: HttpUpstream, introduction: CallerIntroduction | None) -> None:
        self._upstream = upstream
        self._introduction = introduction

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None) -> UpstreamAnswer:
        if self._introduction is not None:
            headers, message = self._introduction.of_guard(headers, {} if body is None else parse(body))
            body = None if body is None else dump(message)
        exchanged = self._upstream.exchanged
        if exchanged is None:
            return await self._upstream.send(verb, headers, body, owner="")
        return await send_with_token(self._upstream, exchanged, exchanged.of_guard, verb, headers, body, owner="")

    async def restart(self) -> None:
        """There is nothing to begin anew."""


class HttpUpstream:
    """Streamable HTTP at a loopback URL or a Unix socket. Create and close it inside the event loop.

    `fixed` are headers of every request, by lower-case name; they stand in place of any that the request has itself.
    `introduction` and `exchanged` are for the guard's own requests; `exchanged` is closed with it.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        fixed: Mapping[str, str] | None = None,
        introduction: CallerIntroduction | None = None,
        exchanged: ExchangedTokens | None = None,
        connect: float = 5.0,
        silence: float = 300.0,
    ) -> None:
        # The SDK's own servers want a port in Host; a socket has none, so the default one.
        self._host = "localhost:80" if origin.socket else None
        self._fixed = fixed or {}
        self._introduction = introduction
        self.exchanged = exchanged
        self._client = HttpClient(
            f"http://localhost{origin.path}" if origin.socket else str(origin.url),
            socket=origin.socket,
            connect=connect,
            silence=silence,
            longest_header=MAX_HEADER,
        )

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None, *, owner: str) -> UpstreamAnswer:
        """Send one request; raises UpstreamDown."""
        sent = {**headers, **self._fixed}
        if self._host:
            sent["host"] = self._host
        sent["accept-encoding"] = "identity"
        response = await self._request(verb, sent, body, endless=is_endless(verb, headers))
        fault = header_fault(response.status, response.headers, opening=opens_session(verb, headers))
        if fault is not None:
            response.close()
            kind, problem = fault
            if kind is HeaderFault.REDIRECT:
                raise Redirected(response.status, response.headers.get("location", ""), problem)
            raise UnusableAnswer(_REASONS[kind], problem)
        encoding = encoding_of(response.headers)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        decoder = Decoder(encoding) if encoding in DECODED else None
        scheme = challenge_scheme(response.headers)
        return UpstreamAnswer(response.status, passed(response.headers), media_type, response, decoder, scheme)

    async def _request(
        self, verb: str, headers: Mapping[str, str], body: bytes | None, *, endless: bool
    ) -> ArrivingAnswer:
        pause, until = 0.05, None
        while True:
            try:
                return await self._client.request(verb, headers, body, endless=endless)
            except ConnectionRefusal as error:
                moment = asyncio.get_running_loop().time()
                until = until or moment + RECONNECT_SECONDS
                if error.silent or moment + pause > until:
                    raise UpstreamDown(
                        f"the server refuses connections ({error})", sent=False, silent=error.silent
                    ) from None
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.5)
            except LongHeader:
                problem = f"a header of the answer is longer than {MAX_HEADER} characters"
                raise UnusableAnswer(Reason.ORIGIN_HEADER, problem) from None
            except NotHttp:
                raise UnusableAnswer(Reason.ORIGIN_MALFORMED, "the answer is not HTTP") from None
            except BrokenOff as error:
                raise UpstreamDown(f"the server broke off ({error})", silent=error.silent) from None
            except ValueError as error:
                raise UpstreamDown(f"the server is not asked ({error})", sent=False) from None

    def place(self, session: str | None, owner: str, *, modern: bool) -> str:
        return ""

    @contextlib.asynccontextmanager
    async def road(self, place: str) -> AsyncIterator[Road]:
        """A probe's way to the server; there is one server for all places."""
        yield HttpRoad(self, self._introduction)

    async def close(self) -> None:
        if self.exchanged is not None:
            await self.exchanged.close()
        await self._client.close()


def opens_session(verb: str, headers: Mapping[str, str]) -> bool:
    """Whether the answer may open a session: the request is of a legacy client that has none."""
    return verb == "POST" and "mcp-method" not in headers and "mcp-session-id" not in headers


def is_endless(verb: str, headers: Mapping[str, str]) -> bool:
    """Whether the answer is a stream that may be silent as long as its session lives: that of a GET or a subscription."""
    return verb == "GET" or headers.get("mcp-method") == "subscriptions/listen"
