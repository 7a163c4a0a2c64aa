"""The places that a scan connects to: this machine's own listening sockets, or hosts that the user named one by one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from model.errors import InputError
from model.loopback import is_loopback
from model.text import visible
from operations.scan.report import ScanTarget
from operations.sockets import ListeningSocket

MAX_NAMED = 16


def places(listeners: Iterable[ListeningSocket], ports: Iterable[int] = ()) -> tuple[ScanTarget, ...]:
    """List where to connect for each listening socket of this machine; only for `ports` when some are given."""
    selected = frozenset(ports)
    by_socket: dict[tuple[str, int], ScanTarget] = {}
    for listener in listeners:
        if not selected or listener.port in selected:
            address, port = listener.address, listener.port
            previous = by_socket.get((address, port))
            pid = previous.pid if previous is not None and previous.pid is not None else listener.pid
            by_socket[address, port] = ScanTarget(_reach(address), port, (address,), not listener.is_loopback, pid)
    return tuple(by_socket.values())


def _reach(address: str) -> str:
    """The address by which this machine itself reaches a socket bound to `address`."""
    bare, _, zone = address.partition("%")
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    if (mapped or parsed).is_unspecified:
        return "127.0.0.1" if parsed.version == 4 or mapped else "::1"
    return str(mapped) if mapped else address if zone else str(parsed)


def named_places(targets: Sequence[str]) -> tuple[ScanTarget, ...]:
    """Parse hosts that the user named one by one: HOST:PORT, [V6]:PORT, a URL, or the path of a Unix socket.

    Raises:
        InputError: a range, a list or a pattern of hosts or ports, no port, or more than 16 of them: Ringwall is no tool
            for sweeping the networks of others.
    """
    if len(targets) > MAX_NAMED:
        raise InputError(
            f"{len(targets)} hosts are named, and a scan takes {MAX_NAMED} at most",
            key="TARGETS",
            remedy="scan each machine on itself: `ringwall scan` there looks at every socket it has",
        )
    return tuple(_named(target) for target in dict.fromkeys(targets))


def _named(target: str) -> ScanTarget:
    shown = visible(target)[:100]
    if target.startswith("/"):
        return ScanTarget("", 0, (target,), beyond_loopback=False, named=target, socket=target)
    match = re.fullmatch(
        r"(?:(?P<scheme>https?)://)?(?:\[(?P<six>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^\s/\[\]:@]+)):(?P<port>[0-9]{1,5})"
        r"(?P<path>/[!-~]*)?",
        target,
    )
    sweep = re.search(r"[*,]|/[0-9]{1,3}$|[0-9]-[0-9]|\{|\.\.", target)
    if match is None or (sweep and not (match["scheme"] and match["path"])) or not 0 < int(match["port"]) < 65536:
        problem = "names more than one host or port" if sweep else "is no host with a port"
        raise InputError(
            f"{shown} {problem}", key="TARGETS", remedy="name single ones, such as tools.example.com:8080 or [::1]:3000"
        )
    if match["path"] is not None and match["scheme"] is None:
        raise InputError(f"{shown} is neither HOST:PORT nor a URL", key="TARGETS", remedy="write http:// before it")
    host = match["six"] or match["host"]
    if match["host"] is not None and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})", host):
        raise InputError(f"{shown} is no host with a port", key="TARGETS", remedy="write it such as 192.0.2.7:8080")
    scheme: Literal["http", "https"] | None = None
    if match["scheme"]:
        scheme = "https" if match["scheme"] == "https" else "http"
    port = int(match["port"])
    return ScanTarget(
        host, port, (host,), beyond_loopback=not is_loopback(host), named=target, scheme=scheme, path=match["path"]
    )
