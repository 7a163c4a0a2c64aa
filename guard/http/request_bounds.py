"""How much of a request the guard reads, and how long it waits for it and for the reader of its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Open files that are not connections: logs, keys, the listening sockets, the libraries' own.
_OTHER_FILES = 64


@dataclass(frozen=True)
class RequestBounds:
    """The bounds of requests and connections. Everybody has the same ones, as nobody is identified yet.

    The gateway sends far smaller heads (nginx reads 32 KiB itself) and whole bodies, so these meet only who goes past it.
    """

    #: Lines and bytes of a request's head: its target, its headers, and the trailers of its body.
    head_lines: int = 100
    head_bytes: int = 32 * 1024
    #: Seconds from a connection, or a request's first byte, to the end of its head.
    head_seconds: float = 10.0
    #: Seconds from the end of the head to the end of the body, and bytes of body that buy one second more.
    body_seconds: float = 30.0
    body_rate: float = 4096.0
    #: Seconds that a client may leave an answer unread, and bytes of it that buy one second more (128 kbit/s).
    answer_seconds: float = 30.0
    answer_rate: float = 16384.0
    #: Connections open at once.
    connections: int = 4096
    #: Requests on one connection that await the answer to another.
    pipelined: int = 16
    #: Requests of a principal that are served at once, beside its calls in flight (`limits.concurrency`): mostly streams, of
    #: which each of its 64 sessions may have one.
    streams: int = 128

    def within(self, files: int) -> RequestBounds:
        """These bounds for a process of so many open files: each connection may need one to the server as well."""
        return replace(self, connections=max(1, min(self.connections, (files - _OTHER_FILES) // 2)))


DEFAULT_BOUNDS = RequestBounds()
