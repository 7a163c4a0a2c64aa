"""One HTTP response to a client: a JSON body, or a stream of server-sent events with keep-alives while it is silent.

The response also reports tokens to the gateway's budget of the whole server: those of messages that were let through, and
of their answers. A refusal is not reported, as its sender's own budget pays for it (`guard.decide.limits.Limits.fine`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from components.gateway.names import LIMIT_HEADER, TOKENS
from guard.decide.tokens import ServerBudget, estimate
from guard.identity.principal import Principal
from guard.metrics import GuardMetrics
from wire.json import dump
from wire.sse import KEEP_ALIVE, Event

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Bytes of an answer that are written at once. Of a longer one the rest waits here until the client has taken those, so that
#: it is counted as held for as long as it is (`guard.memory`).
_PIECE = 64 * 1024

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class SinkHome(Protocol):
    """What a sink needs of the guard it belongs to."""

    keep_alive: float
    metrics: GuardMetrics

    @property
    def budget(self) -> ServerBudget: ...

    def end_task(self, task: asyncio.Task[Any]) -> None:
        """End one request."""


def _running_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is served in a task")
    return task


@dataclass(slots=True)
class HttpSink:
    """One HTTP response. `end` it in any case."""

    send: Send
    runtime: SinkHome
    streaming: bool = False
    finished: bool = False
    status: int = 0
    keep_open: bool = False
    #: The sender of the request, once it is verified.
    principal: Principal | None = None
    #: Tokens of a body that is not judged yet. Its sender pays for them if the body is refused as a whole.
    unjudged: int = 0
    #: The tokens that are left of the server's budget, as Kong says; None where no Kong counts.
    remaining: int | None = None
    #: For a stream that answers no request: whether its session has ended. The stream then ends too.
    session_ended: Callable[[], bool] | None = None
    _request_tokens: int = 0
    _repeated: int = 0
    _written: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _opening: asyncio.Task[None] | None = None
    _ticking: asyncio.Task[None] | None = None
    #: The task that serves the request. Each look for the running one costs as much as some of the checks.
    task: asyncio.Task[Any] = field(default_factory=_running_task)

    # -- answers ------------------------------------------------------------------------------------------------------

    def admit(self, tokens: int) -> None:
        """Note a message of so many tokens that was let through. The server's budget pays for it and for its answer."""
        self.runtime.metrics.request_tokens.inc(tokens)
        if self.streaming:
            self.runtime.budget.owe(tokens)
        else:
            self._request_tokens += tokens

    def repeats(self, size: int) -> None:
        """Note that so many bytes of the next message sent repeat others of it, so that they do not count."""
        self._repeated = size

    async def answer(
        self, status: int, message: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the final answer to a message that was let through."""
        self._answering()
        if self.streaming:
            if message is not None:
                await self.event(Event(dump(message).decode()))
            return
        if self.keep_open:
            await self.open_stream(headers or {})
            await self.answer(status, message)
            return
        body = b"" if message is None else dump(message)
        await self._respond(status, body, headers, self._report(self._request_tokens + self._tokens(body)))

    async def refuse(
        self, status: int, message: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the guard's own answer to a message that it did not let through. The server's budget does not pay for it."""
        self._answering()
        if self.keep_open and not self.streaming:
            await self.open_stream(headers or {})
        if self.streaming:
            if message is not None:
                await self._write(Event(dump(message).decode()).encode())
            return
        await self._respond(status, b"" if message is None else dump(message), headers, [])

    async def open_stream(self, headers: Mapping[str, str]) -> None:
        """Send a stream's headers, for which a client waits before it sends anything else."""
        self._answering()
        if self.streaming or self.finished:
            return
        self.streaming, self.status = True, 200
        raw = [*_STREAM_HEADERS, *self._report(self._request_tokens)]
        raw += [(name.encode(), value.encode()) for name, value in headers.items()]
        self._written = asyncio.get_running_loop().time()
        self._ticking = asyncio.get_running_loop().create_task(self._keep_alive())
        await self.send({"type": "http.response.start", "status": 200, "headers": raw})
        await self.send({"type": "http.response.body", "body": b"", "more_body": True})

    async def event(self, event: Event) -> None:
        """Send one event of a message that was let through."""
        body = event.encode()
        if event.data:
            # The response's headers are sent already, so the tokens are reported with the server's next answer.
            self.runtime.budget.owe(self._tokens(body))
        await self._write(body)

    async def end(self) -> None:
        """End the response, closing a stream that is open."""
        for task in (self._timer, self._opening, self._ticking):
            if task is not None:
                task.cancel()
        if self.streaming and not self.finished:
            self.finished = True
            await self.send({"type": "http.response.body", "body": b""})

    def _tokens(self, body: bytes) -> int:
        repeated, self._repeated = self._repeated, 0
        tokens = estimate(max(0, len(body) - repeated))
        self.runtime.metrics.result_tokens.inc(tokens)
        return tokens

    def _report(self, tokens: int) -> list[tuple[bytes, bytes]]:
        reported = self.runtime.budget.settle(tokens, self.remaining)
        return [(LIMIT_HEADER.encode(), f"{TOKENS}={reported}".encode())]

    async def _respond(
        self, status: int, body: bytes, headers: Mapping[str, str] | None, report: list[tuple[bytes, bytes]]
    ) -> None:
        raw = [(b"content-length", str(len(body)).encode()), *report]
        if body:
            raw.append((b"content-type", b"application/json"))
        raw += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self.status, self.finished = status, True
        await self.send({"type": "http.response.start", "status": status, "headers": raw})
        if len(body) > _PIECE:
            await self._send_pieces(body)
            body = b""
        await self.send({"type": "http.response.body", "body": body})

    async def _send_pieces(self, body: bytes) -> None:
        for begin in range(0, len(body), _PIECE):
            await self.send({"type": "http.response.body", "body": body[begin : begin + _PIECE], "more_body": True})

    async def _write(self, body: bytes) -> None:
        if self._opening is not None and self._opening is not asyncio.current_task():
            # The stream's headers may not be sent yet.
            await self._opening
        self._written = asyncio.get_running_loop().time()
        if len(body) > _PIECE:
            await self._send_pieces(body)
            body = b""  # the wait for the last piece
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    # -- silence ------------------------------------------------------------------------------------------------------

    def stream_if_silent(self) -> None:
        """Answer as a stream with keep-alives unless an answer begins within the keep-alive time.

        Without it Cloudflare answers 524 to a call that is silent for 100 s, Kong 504 after its read timeout, and the
        client repeats a call that is still running.
        """
        self._timer = self.task.get_loop().call_later(self.runtime.keep_alive, self._open_early)

    def _open_early(self) -> None:
        self._timer = None
        if not (self.finished or self.streaming):
            self._opening = asyncio.get_running_loop().create_task(self.open_stream({}))

    def _answering(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _keep_alive(self) -> None:
        """Send a comment whenever nothing else was written for the keep-alive time.

        A comment is no message: there is nothing to inspect in it, and it does not count as a use of the session.
        """
        loop, interval = asyncio.get_running_loop(), self.runtime.keep_alive
        while True:
            pause = self._written + interval - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            if self.session_ended is not None and self.session_ended():
                self.runtime.end_task(self.task)
                return
            self._written = loop.time()
            await self.send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})


class SilentSink:
    """The sink of the notifications in a batch, which have no answers: it discards everything."""

    streaming = False

    def admit(self, tokens: int) -> None:
        return None

    def repeats(self, size: int) -> None:
        return None

    def stream_if_silent(self) -> None:
        return None

    async def answer(self, status: int, message: Any, headers: Any = None) -> None:
        return None

    async def refuse(self, status: int, message: Any, headers: Any = None) -> None:
        return None

    async def open_stream(self, headers: Any) -> None:
        return None

    async def event(self, event: Event) -> None:
        return None
