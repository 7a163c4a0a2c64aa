"""uvicorn's HTTP/1.1 protocol within bounds: a head that has an end, a body that arrives, so many connections.

uvicorn keeps every header line it is sent and waits for ever for the next, and it does so before anybody is identified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from guard.audit.files import AuditUnwritable
from guard.decide.answers import INCIDENT_HEADER, INVALID_REQUEST, LIMITED, error
from guard.decide.reasons import Reason
from guard.http.chunk_framing import MOST_FRAMING, PIECE, framing_after
from guard.http.request_bounds import RequestBounds
from guard.http.request_reader import RequestReader
from guard.identity.principal import Principal
from wire.json import dump

#: Notes a refusal, of whose request where that is known, and returns its incident id; raises AuditUnwritable.
Note = Callable[[Reason, Principal | None], str]


#: Headers that the protocols below do more with than keep.
_JUDGED_BELOW = frozenset({b"expect", b"transfer-encoding"})


class _OverBounds(Exception):
    """Ends the parser's work on a request that is over a bound."""


class _Phase(Enum):
    """What the protocol awaits from the client."""

    REQUEST = "request"
    HEAD = "head"
    BODY = "body"


class BoundedReader(RequestReader):
    """A protocol that refuses what is over `bounds`, each refusal with an incident from `note`, and then closes.

    One timer a connection, started only when a request does not arrive in one piece: most do, and cost nothing here.
    """

    def __init__(self, *arguments: Any, bounds: RequestBounds, note: Note, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bounds = bounds
        self._note = note
        self._phase = _Phase.REQUEST
        self._began = False
        self._head_lines = self._head_bytes = self._unread_head = self._body_bytes = self._chunks = self._framing = 0
        #: Since when the client is waited for; None while it is not.
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    # -- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections:
            self._refuse(429, Reason.TOO_MANY_CONNECTIONS, "too many connections are open", LIMITED)
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if len(data) > PIECE:
            for begin in range(0, len(data), PIECE):
                self.data_received(data[begin : begin + PIECE])
            return
        if self.transport.is_closing():
            return
        self._began, content, chunks = False, self._body_bytes, self._chunks
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._chunked and self._phase is _Phase.BODY and not self._began:
            overhead = len(data) - (self._body_bytes - content)
            self._framing = framing_after(self._framing, overhead, self._chunks - chunks)
            if self._framing > MOST_FRAMING:
                text = f"the chunks of a body hold at most {MOST_FRAMING} bytes beside its content"
                self._refuse(413, Reason.CHUNK_FRAMING, text)
                return
        if self._phase is _Phase.HEAD and not self._began:
            # The parser tells of a line at its end alone, and holds it until then.
            self._unread_head += len(data)
            if self._unread_head > self._bounds.head_bytes:
                self._refuse_head()
                return
        if self._since is None and (self._phase is not _Phase.REQUEST or not self._serving):
            self._wait()

    @property
    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # -- the parser's reports -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._bounds.pipelined:
            raise _OverBounds
        self._phase, self._began, self._since = _Phase.HEAD, True, None
        self._head_lines = self._head_bytes = self._unread_head = self._body_bytes = self._chunks = self._framing = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > self._bounds.head_bytes:
            raise _OverBounds
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # All that the protocols below do with most headers, in one step, as it is taken for each of every request.
        self._head_lines += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._bounds.head_bytes or self._head_lines > self._bounds.head_lines:
            raise _OverBounds
        name = name.lower()
        if name in _JUDGED_BELOW or not self._in_head:
            super().on_header(name, value)
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._phase, self._since = _Phase.BODY, None

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._phase, self._since = _Phase.REQUEST, None
        super().on_message_complete()

    # -- time ---------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        self._since = self.loop.time()
        end = self._since + self._remaining()
        if self._timer is not None and self._timer.when() > end:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(end, self._check_time)

    def _remaining(self) -> float:
        if self._since is None:
            return 0.0
        allowed = self._bounds.head_seconds
        if self._phase is _Phase.BODY:
            allowed = self._bounds.body_seconds + self._body_bytes / self._bounds.body_rate
        return self._since + allowed - self.loop.time()

    def _check_time(self) -> None:
        """End the connection if its client has used up its time."""
        self._timer = None
        if self._since is None or self.transport.is_closing():
            return
        if self.flow.read_paused:
            # The guard does not read, so nobody can say that the client does not send.
            self._since = self.loop.time()
        remaining = self._remaining()
        if remaining > 0:
            self._timer = self.loop.call_later(remaining, self._check_time)
        elif self._phase is _Phase.REQUEST:
            self.transport.close()  # nothing was asked
        else:
            self._refuse(408, Reason.TOO_SLOW, f"the request's {self._phase.value} did not arrive in time")

    # -- refusals -----------------------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, or read no further as it is over a bound."""
        over_head = self._head_bytes > self._bounds.head_bytes or self._head_lines > self._bounds.head_lines
        if over_head:
            self._refuse_head()
        elif len(self.pipeline) >= self._bounds.pipelined:
            self._refuse(429, Reason.TOO_MANY_CONNECTIONS, "too many requests wait on one connection", LIMITED)
        else:
            self._refuse(400, Reason.NOT_HTTP, "this is not HTTP/1.1")

    def _refuse_head(self) -> None:
        most = f"{self._bounds.head_lines} headers and {self._bounds.head_bytes} bytes"
        self._refuse(431, Reason.HEAD_TOO_LARGE, f"a request's head has at most {most}")

    def _refuse(self, status: int, reason: Reason, text: str, code: int = INVALID_REQUEST) -> None:
        try:
            incident = self._note(reason, None)
        except AuditUnwritable:
            incident = None
        if self._may_answer():
            body = dump(error(None, code, text, incident=incident))
            head = [STATUS_LINE[status], b"content-type: application/json\r\nconnection: close\r\n"]
            head.append(b"content-length: %d\r\n" % len(body))
            if incident is not None:
                head.append(f"{INCIDENT_HEADER}: {incident}\r\n".encode())
            if status == 429:
                head.append(b"retry-after: 1\r\n")
            self.transport.write(b"".join([*head, b"\r\n", body]))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether the next answer on the connection is that to the request which is refused."""
        if self.pipeline:
            return False
        if self._phase is _Phase.BODY:
            return not self.cycle.response_started
        return not self._serving
