"""Server-sent events, read one by one and written anew (WHATWG HTML, "Server-sent events").

A stream is read to events and comments as a browser would read it; what is written is only what was understood. Of a
comment nothing but its being there is kept: clients ignore its text, so text there could only hide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from guard.wire_json import Malformed

KEEP_ALIVE = b":\n\n"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_CURSOR = re.compile(r"[\x20-\x7e]{0,1024}")


@dataclass(frozen=True, slots=True)
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
    """Feed it chunks as they come; it gives whole events. `limit` is the most bytes of one event."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._first = True
        self._seen = 0
        self._fields: list[tuple[str, str]] = []
        self._comment = False

    def feed(self, chunk: bytes, *, last: bool = False) -> list[Event]:
        """Events completed by `chunk`; a comment counts as an `Event()` without anything in it.

        An event that the stream's end cuts off is dropped, as the standard says. Raises Malformed: bad UTF-8, an event
        over the limit, or an id that no Last-Event-ID header could carry.
        """
        buffer = self._rest + chunk
        if self._first and buffer:
            if len(buffer) < 3 and not last and b"\xef\xbb\xbf".startswith(buffer):
                self._rest = buffer
                return []
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        # A lone CR at the end may be half of a CRLF.
        hold = b"\r" if buffer.endswith(b"\r") and not last else b""
        lines = _LINE_END.split(buffer[: len(buffer) - len(hold)])
        self._rest = lines.pop() + hold
        events: list[Event] = []
        for line in lines:
            self._seen += len(line) + 1
            if self._seen > self._limit:
                raise Malformed("an event is over the limit")
            if line:
                self._line(line)
            else:
                events += self._dispatch()
        if self._seen + len(self._rest) > self._limit:
            raise Malformed("an event is over the limit")
        return events

    def _line(self, raw: bytes) -> None:
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("the stream is not UTF-8") from None
        name, _, value = line.partition(":")
        if not name:
            self._comment = True
        else:
            self._fields.append((name, value.removeprefix(" ")))

    def _dispatch(self) -> list[Event]:
        fields, comment = self._fields, self._comment
        self._fields, self._comment, self._seen = [], False, 0
        if not fields:
            return [Event()] if comment else []
        data = [value for name, value in fields if name == "data"]
        event = id_ = retry = None
        for name, value in fields:
            if name == "event":
                event = value or None
            elif name == "id":
                if not _CURSOR.fullmatch(value):
                    raise Malformed("an event id is not visible ASCII")
                id_ = value
            elif name == "retry" and re.fullmatch(r"[0-9]{1,9}", value):
                retry = int(value)
        return [Event("\n".join(data) if data else None, event, id_, retry)]
