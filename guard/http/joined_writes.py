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
#: How the head of an answer begins, and what comes before it where a client waits to be told that it may send its body.
_HEAD, _CONTINUE = b"HTTP/1.1 ", b"HTTP/1.1 100"


class JoinedWrites(HttpToolsProtocol):
    """An HTTP protocol that sends the head of an answer with what follows it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()


class _Joined:
    """A transport that keeps the head of an answer until the next write, and passes everything else through.

    An application sends what follows a head at once: the body, or of a stream nothing (`guard.http.sink`).
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        # Asked for every answer, and to look it up anew each time costs as much as the answer.
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
            return
        # On a connection that is lost the transport of uvloop raises.
        if not self.is_closing():
            self._transport.write(data)

    def flush(self) -> None:
        """Send what is kept."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        # A closed TLS transport cannot say what it holds.
        unread = 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()
        self._transport.close()
        if unread:
            # It closes once all is read, which need never be.
            self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
