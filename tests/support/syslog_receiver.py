"""A receiver of syslog on loopback, strict where RFC 6587 (octet counting) and RFC 5424 (the message) are."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: HEADER SP STRUCTURED-DATA SP MSG, with the limits of RFC 5424 section 6; no structured data.
_MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) "
    rb"([!-~]{1,32}) - (.*)",
    re.DOTALL,
)
#: socket(7): on, for no time. A close sends a reset.
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass
class Receiver:
    """What arrived: (priority, application, event). With `cut` the next connection is closed after so many messages, with
    `reset` by a reset, whatever was left unread."""

    port: int = 0
    messages: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    connections: int = 0
    cut: int | None = None
    reset: bool = True

    @property
    def sequences(self) -> list[int]:
        return [event["metadata"]["sequence"] for _, _, event in self.messages]

    def read(self, connection: socket.socket) -> None:
        buffer = b""
        while chunk := connection.recv(65536):
            buffer += chunk
            while (frame := re.match(rb"([1-9]\d*) ", buffer)) and len(buffer) - frame.end() >= int(frame[1]):
                end = frame.end() + int(frame[1])
                self._take(buffer[frame.end() : end])
                buffer = buffer[end:]
                if self.cut is not None and len(self.messages) >= self.cut:
                    self.cut = None
                    if self.reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                    return
            if buffer and not re.match(rb"[1-9]\d*( |$)", buffer):
                self.faults.append(f"no frame begins with {buffer[:20]!r}")
                return

    def _take(self, message: bytes) -> None:
        form = _MESSAGE.fullmatch(message)
        if form is None:
            self.faults.append(f"no message of RFC 5424: {message[:80]!r}")
            return
        self.messages.append((int(form[1]), form[4].decode(), json.loads(form[7])))


@contextlib.contextmanager
def syslog_receiver(tls: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[Receiver]:
    """Listens on loopback, with TLS where `tls` is given."""
    receiver = Receiver()
    listener = socket.create_server(("127.0.0.1", port))
    receiver.port = listener.getsockname()[1]
    connected: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = listener.accept()
                receiver.connections += 1
                threading.Thread(target=handle, args=(raw,), daemon=True).start()

    def handle(raw: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            connection = tls.wrap_socket(raw, server_side=True) if tls else raw
            connected.append(connection)
            with connection:
                receiver.read(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connected:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()
