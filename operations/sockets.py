"""The sockets that listen on this machine, by the kernel's table: addresses, ports and owners.

The attack that Ringwall ends begins with a server bound to 0.0.0.0 without authentication. A configuration file says what
was meant; the kernel's table says what is. Where the table cannot be read, the answer is "cannot tell", never "fine".
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from dataclasses import dataclass
from typing import Any, Literal

import psutil

from model.errors import Unreachable
from model.text import visible


@dataclass(frozen=True, order=True)
class ListeningSocket:
    """One listening TCP socket; `pid` and `command` are None where this user may not see the owner."""

    address: str
    port: int
    pid: int | None = None
    command: str | None = None

    @property
    def is_loopback(self) -> bool:
        """127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104; the wildcards 0.0.0.0 and :: are not."""
        try:
            address = ipaddress.ip_address(self.address.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


@dataclass(frozen=True)
class Exposure:
    """Whether a port is reachable from beyond this machine.

    `loopback`: it listens, on loopback only. `exposed`: at least one address is not loopback. `unknown`: nothing seen
    listening there, or the table cannot be read; `detail` says which.
    """

    state: Literal["loopback", "exposed", "unknown"]
    addresses: tuple[str, ...] = ()
    pid: int | None = None
    command: str | None = None
    detail: str = ""

    def __str__(self) -> str:
        owner = f" by {self.command or 'process'} (pid {self.pid})" if self.pid is not None else ""
        if self.state == "exposed":
            return f"bound beyond loopback, on {', '.join(self.addresses)}{owner}; bind it to 127.0.0.1"
        if self.state == "loopback":
            return f"bound to loopback only, on {', '.join(self.addresses)}{owner}"
        return f"cannot tell who may reach it: {self.detail}"


class _Unreadable(Unreachable):
    """The kernel's table of sockets cannot be read on this machine."""


def listeners(port: int) -> tuple[ListeningSocket, ...]:
    """Every socket of this network namespace that listens on `port`, sorted; empty also where nothing can be read
    (`exposure` tells the two apart)."""
    try:
        return _listeners(port)
    except _Unreadable:
        return ()


def all_listeners() -> tuple[ListeningSocket, ...]:
    """Every listening TCP socket of this network namespace, sorted by port and address.

    Raises:
        Unreachable: the kernel's table cannot be read; an empty answer would read as "nothing is open".
    """
    try:
        sockets = _listeners(None)
    except _Unreadable as error:
        raise Unreachable(
            f"the listening sockets of this machine cannot be listed: {error.problem}", remedy=error.remedy
        ) from None
    return tuple(sorted(sockets, key=lambda listener: (listener.port, listener.address, listener.pid or 0)))


def other_namespaces() -> int:
    """The number of other network namespaces that processes are in, as far as this user may see. Those are containers, whose
    sockets are in no table here. Of Linux, from /proc itself, as psutil knows no namespaces."""
    namespaces = set()
    with contextlib.suppress(OSError):
        own_namespace = os.readlink("/proc/self/ns/net")
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    namespaces.add(os.readlink(f"/proc/{name}/ns/net"))
        namespaces.discard(own_namespace)
    return len(namespaces)


def exposure(port: int) -> Exposure:
    """Who can reach the port: `loopback` only where a listening socket was seen and every one of them is on loopback."""
    try:
        sockets = _listeners(port)
    except _Unreadable as error:
        return Exposure("unknown", detail=str(error))
    if not sockets:
        return Exposure(
            "unknown", detail=f"no socket of this machine (or of this container) listens on port {port} that we can see"
        )
    exposed = tuple(listener for listener in sockets if not listener.is_loopback)
    shown = exposed or sockets
    owner = next((listener for listener in shown if listener.pid is not None), shown[0])
    addresses = tuple(dict.fromkeys(listener.address for listener in shown))
    return Exposure("exposed" if exposed else "loopback", addresses, owner.pid, owner.command)


def _listeners(port: int | None) -> tuple[ListeningSocket, ...]:
    """The sockets that listen on `port` (on every port when None), in the order of their addresses."""
    try:
        sockets = [
            (connection.laddr.ip, connection.laddr.port, pid)
            for connection, pid in _connections()
            if connection.status == psutil.CONN_LISTEN and port in (None, connection.laddr.port)
        ]
    except (psutil.Error, OSError, RuntimeError, LookupError) as error:  # the last two: a row that psutil does not know
        raise _Unreadable(
            f"the kernel's table of sockets cannot be read ({error})", remedy="look with your system's own tool"
        ) from None
    return tuple(
        sorted(
            (ListeningSocket(address, number, pid, _command(pid)) for address, number, pid in sockets),
            key=lambda listener: (listener.address, listener.pid or 0),
        )
    )


def _connections() -> list[tuple[Any, int | None]]:
    """Every TCP socket with the process that holds it, None for one that this user may not see."""
    with contextlib.suppress(psutil.AccessDenied):
        return [(connection, connection.pid) for connection in psutil.net_connections("tcp")]
    # macOS shows the whole table to root alone, and everybody the sockets of their own processes.
    sockets: list[tuple[Any, int | None]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            sockets += [(connection, process.pid) for connection in process.net_connections("tcp")]
    return sockets


def _command(pid: int | None) -> str | None:
    """The program's name only: its arguments may hold secrets."""
    if pid is None:
        return None
    try:
        return visible(psutil.Process(pid).name())
    except psutil.Error:
        return ""
