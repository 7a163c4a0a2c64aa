"""Refuses a port that is taken before a server is started on it, and says who has it."""

from __future__ import annotations

import errno
import socket

from model.errors import InputError


def require_free(port: int, *, remedy: str, key: str | None = None, address: str = "127.0.0.1") -> None:
    """Refuse a port that somebody listens on, naming the holder as far as this user may see it.

    Whatever else keeps a server from listening there is its own to say.

    Raises:
        InputError: the port is taken.
    """
    try:
        [(family, _, _, _, place), *_] = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except OSError:
        return
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As every server here: a connection of the one before, in TIME_WAIT, takes nothing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(f"{address}:{port} is taken{_holder(port)}", key=key, remedy=remedy) from None


def _holder(port: int) -> str:
    """Who holds the port, to end a sentence with: a socket on every address holds each of them."""
    # With psutil 0.02 s of every start, and a port is seldom taken.
    from operations.sockets import listeners

    owner = next((listener for listener in listeners(port) if listener.pid is not None), None)
    return (
        f" by {owner.command or 'process'} (pid {owner.pid})" if owner else " by a process that this user may not see"
    )
