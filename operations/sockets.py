"""The sockets that listen on this machine, by the kernel's table or lsof: addresses, ports and owners.

The attack that Ringwall ends begins with a server bound to 0.0.0.0 without authentication. A configuration file says what
was meant; the kernel's table says what is. Where neither /proc nor lsof can tell, the answer is "cannot tell", never
"fine".
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.errors import InputError, Unreachable
from model.text import visible

_LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h


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
    """Neither /proc nor lsof on this machine can list listening sockets."""


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
        Unreachable: neither /proc nor lsof can list them; an empty answer would read as "nothing is open".
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
    sockets are in no table here."""
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
    owner = next((listener for listener in listeners(port) if listener.pid is not None), None)
    return (
        f" by {owner.command or 'process'} (pid {owner.pid})" if owner else " by a process that this user may not see"
    )


def _listeners(port: int | None) -> tuple[ListeningSocket, ...]:
    if Path("/proc/net/tcp").exists():
        return _from_proc(port)
    if shutil.which("lsof"):
        return _from_lsof(port)
    raise _Unreadable("neither /proc/net/tcp nor lsof is there", remedy="look with your system's own tool")


def _from_proc(port: int | None) -> tuple[ListeningSocket, ...]:
    sockets: list[tuple[str, int, str]] = []
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            text = Path(name).read_text(encoding="ascii")
        except FileNotFoundError:  # a kernel without IPv6 has no tcp6
            continue
        except OSError as error:
            raise _Unreadable(f"{name} cannot be read ({error.strerror})") from None
        sockets += parse_listening(text, port)
    owners = _owners({inode for _, _, inode in sockets}) if sockets else {}
    return tuple(
        sorted(
            (ListeningSocket(address, number, *owners.get(inode, (None, None))) for address, number, inode in sockets),
            key=lambda listener: (listener.address, listener.pid or 0),
        )
    )


def parse_proc(text: str, port: int) -> list[tuple[str, str]]:
    """Address and inode of each LISTEN row for `port` in the text of /proc/net/tcp or tcp6 (proc(5))."""
    return [(address, inode) for address, _, inode in parse_listening(text, port)]


def parse_listening(text: str, port: int | None = None) -> list[tuple[str, int, str]]:
    """Address, port and inode of each LISTEN row in the text of /proc/net/tcp or tcp6; of every port when `port` is None."""
    rows = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTEN:
            continue
        address, _, number = fields[1].partition(":")
        if port is None or int(number, 16) == port:
            rows.append((_address(address), int(number, 16), fields[9]))
    return rows


def _address(text: str) -> str:
    """The kernel prints each 32-bit word of the address in the machine's own byte order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(address)


def _owners(inodes: set[str]) -> dict[str, tuple[int, str]]:
    """The process that holds each socket, as far as this user may see (other users' /proc/PID/fd cannot be read)."""
    inode_of_link = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, tuple[int, str]] = {}
    for process in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        for link in _links(process / "fd"):
            if link in inode_of_link:
                owners.setdefault(inode_of_link[link], (int(process.name), _command(process)))
    return owners


def _links(folder: Path) -> Iterator[str]:
    """The target of each file descriptor; nothing for a process that ended or that this user may not see."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.readlink(folder / name)


def _command(process: Path) -> str:
    """The program's name only: its arguments may hold secrets."""
    try:
        return visible((process / "comm").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def _from_lsof(port: int | None) -> tuple[ListeningSocket, ...]:
    command = ["lsof", "-nP", "-iTCP" if port is None else f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpcn"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Unreadable(f"lsof failed ({type(error).__name__})") from None
    if process.returncode not in (0, 1):  # 1: nothing found
        raise _Unreadable("lsof failed")
    return parse_lsof(process.stdout, port)


def parse_lsof(text: str, port: int | None) -> tuple[ListeningSocket, ...]:
    """Listeners of `port` (of every port when None) in the field output of ``lsof -Fpcn``
    (lsof(8), OUTPUT FOR OTHER PROGRAMS)."""
    sockets, pid, command = [], None, None
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, command = int(value), None
        elif kind == "c":
            command = visible(value)
        elif kind == "n" and (match := re.fullmatch(r"(?:\[(.+)\]|(\*)|([^:]+)):(\d+)", value)):
            address = match[1] or ("0.0.0.0" if match[2] else match[3])  # noqa: S104 - lsof's word for every address
            if port is None or int(match[4]) == port:
                sockets.append(ListeningSocket(address, int(match[4]), pid, command))
    return tuple(sorted(set(sockets), key=lambda listener: (listener.address, listener.pid or 0)))
