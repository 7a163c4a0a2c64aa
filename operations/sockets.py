"""Who really listens on a port of this machine, and on which addresses.

The seed of the attack Ringwall ends is a server bound to 0.0.0.0 without authentication. A configuration file says what
was meant; the kernel's table says what is. Where neither /proc nor lsof can tell, the answer is "cannot tell", never
"fine".
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.errors import Unreachable
from model.text import visible

_LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h


@dataclass(frozen=True, order=True)
class Listener:
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


class _Unreadable(Exception):
    """No source on this machine can list listening sockets."""


def listeners(port: int) -> tuple[Listener, ...]:
    """Every socket of this network namespace that listens on `port`, sorted; empty also where nothing can be read
    (`exposure` tells the two apart)."""
    try:
        return _listeners(port)
    except _Unreadable:
        return ()


def all_listeners() -> tuple[Listener, ...]:
    """Every listening TCP socket of this network namespace, sorted by port and address.

    Raises:
        Unreachable: neither /proc nor lsof can list them; an empty answer would read as "nothing is open".
    """
    try:
        found = _listeners(None)
    except _Unreadable as error:
        raise Unreachable(f"the listening sockets of this machine cannot be listed: {error}") from None
    return tuple(sorted(found, key=lambda one: (one.port, one.address, one.pid or 0)))


def other_namespaces() -> int:
    """How many network namespaces beside this one processes are in, as far as this user may see: containers of their own,
    whose sockets no table here shows."""
    seen = set()
    with contextlib.suppress(OSError):
        own = os.readlink("/proc/self/ns/net")
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    seen.add(os.readlink(f"/proc/{name}/ns/net"))
        seen.discard(own)
    return len(seen)


def exposure(port: int) -> Exposure:
    """How far the port is open; never `loopback` unless a listening socket was seen and all of them are loopback."""
    try:
        found = _listeners(port)
    except _Unreadable as error:
        return Exposure("unknown", detail=str(error))
    if not found:
        return Exposure(
            "unknown", detail=f"no socket of this machine (or of this container) listens on port {port} that we can see"
        )
    open_ones = tuple(one for one in found if not one.is_loopback)
    shown = open_ones or found
    owner = next((one for one in shown if one.pid is not None), shown[0])
    addresses = tuple(dict.fromkeys(one.address for one in shown))
    return Exposure("exposed" if open_ones else "loopback", addresses, owner.pid, owner.command)


def _listeners(port: int | None) -> tuple[Listener, ...]:
    if Path("/proc/net/tcp").exists():
        return _from_proc(port)
    if shutil.which("lsof"):
        return _from_lsof(port)
    raise _Unreadable("neither /proc/net/tcp nor lsof is there; look with your system's own tool")


def _from_proc(port: int | None) -> tuple[Listener, ...]:
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
            (Listener(address, number, *owners.get(inode, (None, None))) for address, number, inode in sockets),
            key=lambda one: (one.address, one.pid or 0),
        )
    )


def parse_proc(text: str, port: int) -> list[tuple[str, str]]:
    """Address and inode of each LISTEN row for `port` in the text of /proc/net/tcp or tcp6 (proc(5))."""
    return [(address, inode) for address, _, inode in parse_listening(text, port)]


def parse_listening(text: str, port: int | None = None) -> list[tuple[str, int, str]]:
    """Address, port and inode of each LISTEN row (of every port when None) in that text."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTEN:
            continue
        address, _, number = fields[1].partition(":")
        if port is None or int(number, 16) == port:
            found.append((_address(address), int(number, 16), fields[9]))
    return found


def _address(text: str) -> str:
    """The kernel prints each 32-bit word of the address in the machine's own byte order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(address)


def _owners(inodes: set[str]) -> dict[str, tuple[int, str]]:
    """The process that holds each socket, as far as this user may look (others' /proc/PID/fd is closed)."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, tuple[int, str]] = {}
    for process in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        for link in _links(process / "fd"):
            if link in wanted:
                found.setdefault(wanted[link], (int(process.name), _command(process)))
    return found


def _links(folder: Path) -> Iterator[str]:
    """What each descriptor is; nothing for a process that ended or is not ours to see."""
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


def _from_lsof(port: int | None) -> tuple[Listener, ...]:
    command = ["lsof", "-nP", "-iTCP" if port is None else f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpcn"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Unreadable(f"lsof failed ({type(error).__name__})") from None
    if done.returncode not in (0, 1):  # 1: nothing found
        raise _Unreadable("lsof failed")
    return parse_lsof(done.stdout, port)


def parse_lsof(text: str, port: int | None) -> tuple[Listener, ...]:
    """Listeners of `port` (of every port when None) in the field output of ``lsof -Fpcn``
    (lsof(8), OUTPUT FOR OTHER PROGRAMS)."""
    found, pid, command = [], None, None
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, command = int(value), None
        elif kind == "c":
            command = visible(value)
        elif kind == "n" and (match := re.fullmatch(r"(?:\[(.+)\]|(\*)|([^:]+)):(\d+)", value)):
            address = match[1] or ("0.0.0.0" if match[2] else match[3])  # noqa: S104 - lsof's word for every address
            if port is None or int(match[4]) == port:
                found.append(Listener(address, int(match[4]), pid, command))
    return tuple(sorted(set(found), key=lambda one: (one.address, one.pid or 0)))
