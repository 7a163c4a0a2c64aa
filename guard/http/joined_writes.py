"""uvicorn's HTTP/1.1 protocol, changed to send the head and the body of an answer in one write.

uvicorn sends them in two writes, which costs the guard a second system call and the reader a second wake-up.
`make bench-guard` shows the difference.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds that the rest of an answer has to be read in once its connection is closed.
CLOSE_SECONDS = 30.0


class JoinedWrites(HttpToolsProtocol):
    """An HTTP protocol that sends everything written in one turn of the event loop at the end of the turn."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]


class _Joined:
    """A transport that collects what is written until the loop's next turn, and passes everything else through."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        # A closed TLS transport cannot say what it holds.
        unread = 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()
        self._transport.close()
        if unread:
            # It closes once all is read, which need never be.
            self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def _flush(self) -> None:
        if self._parts:
            # On a connection that is lost the transport of uvloop raises.
            if not self._transport.is_closing():
                self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
