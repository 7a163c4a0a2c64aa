"""Reads a stream of server-sent events and writes them anew (WHATWG HTML, "Server-sent events").

A stream is split into events and comments as a browser splits it, and only what was understood is written. A comment is
kept without its text: clients ignore the text, so it could only hide something.
"""

from __future__ import annotations

import re

from model.value_types import value_type
from wire.json import Malformed

KEEP_ALIVE = b":\n\n"
#: A stream that is silent for so long gets a keep-alive: well under the 100 s after which Cloudflare gives up on a proxied
#: request (Cloudflare docs, "Connection limits"), and under every read timeout that makes sense.
KEEP_ALIVE_SECONDS = 15.0
_LINE_END = re.compile(rb"\r\n|\n|\r")
_ENDS = re.compile(rb"[\r\n]")
#: Bytes that each line of an event takes besides its own.
_OF_LINE = 64
_CURSOR = re.compile(r"[\x20-\x7e]{0,1024}")


class OverLimit(Malformed):
    """An event of more bytes than is passed on."""


@value_type()
class Event:
    """One event. `data` is None when it had no data line (a keep-alive, a bare `retry`); then it is not dispatched
    by a client, but its `id` and `retry` still count."""

    data: str | None = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    @property
    def is_message(self) -> bool:
        """True for what an MCP client takes as a message: default or `message` type with data in it."""
        return bool(self.data) and self.event in (None, "message")

    def encode(self) -> bytes:
        lines = []
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.id is not None:
            lines.append(f"id: {self.id}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        if self.data is not None:
            lines += [f"data: {line}" for line in self.data.split("\n")]
        return ("\n".join(lines) + "\n\n").encode() if lines else KEEP_ALIVE


class Reader:
    """Takes chunks as they come and gives whole events. `limit` is the most bytes of one event.

    `forgiving` is for a caller that passes nothing on: bytes that are not UTF-8 are replaced, and any id is accepted.
    """

    def __init__(self, limit: int, *, forgiving: bool = False) -> None:
        self._limit = limit
        self._forgiving = forgiving
        #: Pieces of a line whose end has not come: put together once, so that a long line costs no more than its length.
        self._pieces: list[bytes] = []
        self._pending = 0
        self._after_cr = False
        self._first = True
        self._begin()

    @property
    def pending(self) -> int:
        """Bytes that the event takes whose end has not come."""
        return self._received + self._pending + _OF_LINE * len(self._data)

    def _begin(self) -> None:
        self._received = 0
        self._has_line = False
        self._data: list[str] = []
        self._event: str | None = None
        self._id: str | None = None
        self._retry: int | None = None

    def feed(self, chunk: bytes, *, last: bool = False) -> list[Event]:
        """Events completed by `chunk`; a comment counts as an `Event()` without anything in it.

        An event that the stream's end cuts off is dropped, as the standard says. Raises Malformed: bad UTF-8, an event
        over the limit, or an id that no Last-Event-ID header could carry (`forgiving`: over the limit alone).
        """
        if not (self._first or _ENDS.search(chunk)):
            self._pieces.append(chunk)
            self._pending += len(chunk)
            self._after_cr = self._after_cr and not chunk
            if self._received + self._pending > self._limit:
                raise OverLimit("an event is over the limit")
            return []
        buffer = b"".join((*self._pieces, chunk))
        if self._first and buffer:
            if len(buffer) < 3 and not last and b"\xef\xbb\xbf".startswith(buffer):
                self._pieces = [buffer]
                return []
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if self._after_cr:
            # The second half of a CRLF; the line that the first half ended is processed already.
            buffer = buffer.removeprefix(b"\n")
        self._after_cr = buffer.endswith(b"\r")
        *lines, tail = _LINE_END.split(buffer)
        self._pieces, self._pending = [tail], len(tail)
        events: list[Event] = []
        for line in lines:
            self._received += len(line) + 1
            if self._received > self._limit:
                raise OverLimit("an event is over the limit")
            if line:
                self._line(line)
            else:
                events += self._dispatch()
        if self._received + self._pending > self._limit:
            raise OverLimit("an event is over the limit")
        return events

    def _line(self, raw: bytes) -> None:
        try:
            line = raw.decode("utf-8", "replace" if self._forgiving else "strict")
        except UnicodeDecodeError:
            raise Malformed("the stream is not UTF-8") from None
        self._has_line = True
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value or None
        elif name == "id":
            if not self._forgiving and not _CURSOR.fullmatch(value):
                raise Malformed("an event id is not visible ASCII")
            self._id = value
        elif name == "retry" and re.fullmatch(r"[0-9]{1,9}", value):
            self._retry = int(value)

    def _dispatch(self) -> list[Event]:
        event = Event("\n".join(self._data) if self._data else None, self._event, self._id, self._retry)
        has_line = self._has_line
        self._begin()
        return [event] if has_line else []
