"""The data of a scan's report: places, servers with their danger, and ports that could not be judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from model.tool_lock import Risk
from operations.scan.dialog import Transport

State = Literal["exposed", "open", "guarded", "behind rings"]
Danger = Literal["critical", "high", "medium", "low", "info"]


@dataclass(frozen=True)
class Tool:
    """One tool by name, with its risk class and the reasons for it."""

    name: str
    risk: Risk
    reasons: tuple[str, ...]
    outbound: bool


@dataclass(frozen=True)
class ScanTarget:
    """A place to scan: a listening socket of this machine, or a host that the user named (`named`).

    `address` is the one to connect to, `addresses` are those that the socket is bound to.
    """

    address: str
    port: int
    addresses: tuple[str, ...]
    beyond_loopback: bool
    pid: int | None = None
    named: str | None = None
    scheme: Literal["http", "https"] | None = None
    path: str | None = None
    socket: str | None = None

    def __str__(self) -> str:
        if self.named is not None:
            return self.named
        hosts = (f"[{address}]" if ":" in address else address for address in self.addresses)
        return ", ".join(f"{host}:{self.port}" for host in hosts)


@dataclass(frozen=True)
class ScannedServer:
    """One MCP server that was found.

    `state`: `exposed` (answers clients beyond this machine without authentication), `open` (answers every process of this
    machine without authentication), `guarded` (asks for credentials), `behind rings` (a guard of Ringwall, or the origin
    of a stack).
    `tools` is None where they could not be listed.
    """

    place: ScanTarget
    scheme: Literal["http", "https"]
    transports: tuple[tuple[Transport, str], ...]
    state: State
    name: str = ""
    version: str = ""
    protocol_version: str = ""
    demands: str | None = None
    tools: tuple[Tool, ...] | None = None
    warnings: tuple[str, ...] = ()
    problem: str | None = None
    guard: bool = False
    onboarded: str | None = None
    owner: str = ""

    def named(self, risk: Risk) -> tuple[str, ...]:
        return tuple(tool.name for tool in self.tools or () if tool.risk == risk)

    @property
    def danger(self) -> Danger:
        worst = {tool.risk for tool in self.tools} if self.tools is not None else {"unknown"}
        if self.state == "exposed":
            return "critical" if "execute" in worst else "high" if worst & {"write", "unknown"} else "medium"
        if self.state == "open":
            return "medium" if "execute" in worst else "low"
        return "low" if self.place.beyond_loopback and not self.guard else "info"

    @property
    def transport(self) -> Transport:
        return self.transports[0][0]

    @property
    def path(self) -> str:
        return self.transports[0][1]

    @property
    def url(self) -> str:
        """The URL by which a client on this machine would connect."""
        name = f"[{self.place.address}]" if ":" in self.place.address else self.place.address
        return f"{_scheme(self)}://{name}:{self.place.port}{self.path}"


@dataclass(frozen=True)
class Unjudged:
    """A port that may hold an MCP server, and why that could not be judged."""

    place: ScanTarget
    reason: str


@dataclass(frozen=True)
class ScanReport:
    """The result of a scan, most dangerous server first.

    `sockets` counts the places looked at, `quiet` those of them that did not answer or do not speak HTTP. `complete` is
    false when time ran out before every place was looked at.
    """

    servers: tuple[ScannedServer, ...]
    unjudged: tuple[Unjudged, ...]
    sockets: int
    quiet: int
    complete: bool = True

    @property
    def exposed(self) -> tuple[ScannedServer, ...]:
        return tuple(server for server in self.servers if server.state == "exposed")


ORDER: tuple[Danger, ...] = ("critical", "high", "medium", "low", "info")


def _scheme(server: ScannedServer) -> str:
    if server.transport == "websocket":
        return "wss" if server.scheme == "https" else "ws"
    return server.scheme


def merged(servers: Iterable[ScannedServer]) -> list[ScannedServer]:
    """Merge a server that answers on several addresses, paths or transports of one port into one finding."""
    by_identity: dict[tuple[object, ...], ScannedServer] = {}
    for server in servers:
        place, is_guarded = server.place, server.state == "guarded"
        key = (place.port, place.pid, place.named, server.name, server.version, server.tools, is_guarded)
        previous = by_identity.get(key)
        if previous is None:
            by_identity[key] = server
            continue
        addresses = tuple(dict.fromkeys((*previous.place.addresses, *place.addresses)))
        beyond = previous.place.beyond_loopback or place.beyond_loopback
        by_identity[key] = replace(
            previous,
            place=replace(previous.place, addresses=addresses, beyond_loopback=beyond),
            transports=tuple(dict.fromkeys((*previous.transports, *server.transports))),
            state="exposed" if "exposed" in (previous.state, server.state) else previous.state,
        )
    return list(by_identity.values())
