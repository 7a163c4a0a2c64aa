"""What a scan found, as data: places, servers, how dangerous each is, and what could not be judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from model.tool_lock import Risk
from operations.scan.transports import Transport

State = Literal["exposed", "open", "guarded", "behind rings"]
Danger = Literal["critical", "high", "medium", "low", "info"]


@dataclass(frozen=True)
class Tool:
    """One tool by name, with its judged risk and why."""

    name: str
    risk: Risk
    reasons: tuple[str, ...]
    outbound: bool


@dataclass(frozen=True)
class Place:
    """Where to look: a listening socket of this machine, or what was named. `addresses` are the bound ones."""

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
        return ", ".join(f"[{a}]:{self.port}" if ":" in a else f"{a}:{self.port}" for a in self.addresses)


@dataclass(frozen=True)
class Server:
    """One MCP server that was found.

    `state`: `exposed` (reachable from beyond this machine, asks nobody who they are), `open` (the same for everybody on
    this machine), `guarded` (asks for credentials), `behind rings` (a guard of Ringwall, or an origin one stack names).
    `tools` is None where they could not be listed.
    """

    place: Place
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
        """Where a client on this machine would connect."""
        name = f"[{self.place.address}]" if ":" in self.place.address else self.place.address
        return f"{_scheme(self)}://{name}:{self.place.port}{self.path}"


@dataclass(frozen=True)
class Unjudged:
    """A port that may hold an MCP server, and why nobody can tell."""

    place: Place
    reason: str


@dataclass(frozen=True)
class Report:
    """What a scan found, most dangerous first. `sockets` were looked at; `quiet` of them did not answer or do not speak
    HTTP. `complete` is false when time ran out first."""

    servers: tuple[Server, ...]
    unjudged: tuple[Unjudged, ...]
    sockets: int
    quiet: int
    complete: bool = True

    @property
    def exposed(self) -> tuple[Server, ...]:
        return tuple(server for server in self.servers if server.state == "exposed")


ORDER: tuple[Danger, ...] = ("critical", "high", "medium", "low", "info")


def _scheme(server: Server) -> str:
    if server.transport == "websocket":
        return "wss" if server.scheme == "https" else "ws"
    return server.scheme


def merged(servers: Iterable[Server]) -> list[Server]:
    """One server that answers on several addresses, paths or transports of a port is one finding."""
    found: dict[tuple[object, ...], Server] = {}
    for one in servers:
        key = (one.place.port, one.place.pid, one.place.named, one.name, one.version, one.tools, one.state == "guarded")
        known = found.get(key)
        if known is None:
            found[key] = one
            continue
        addresses = tuple(dict.fromkeys((*known.place.addresses, *one.place.addresses)))
        beyond = known.place.beyond_loopback or one.place.beyond_loopback
        found[key] = replace(
            known,
            place=replace(known.place, addresses=addresses, beyond_loopback=beyond),
            transports=tuple(dict.fromkeys((*known.transports, *one.transports))),
            state="exposed" if "exposed" in (known.state, one.state) else known.state,
        )
    return list(found.values())
