"""The scan for MCP servers that can be called past every ring, on this machine's sockets or at named hosts.

The attack that Ringwall ends begins with a scan of ports 8080 and 3000 that finds a server bound to every address and
answering without authentication. This scan looks at the same ports from the defender's side: real sockets, all four
transports, and what the tools could do. It lists tools and calls none, is bounded in bytes, time and connections, and
reports every port that it could not judge. What to do about a server is in `operations.scan.advice`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import aiohttp

from model.text import visible
from operations.onboard.risk import assess, text_problems, traits_of, warnings
from operations.onboard.risk_secrets import ServerTraits
from operations.scan.contact import first_contact, inspecting_tls
from operations.scan.dialog import Introduction, Transport
from operations.scan.event_stream import try_sse
from operations.scan.process import command_line
from operations.scan.report import ORDER, ScannedServer, ScanReport, ScanTarget, State, Tool, Unjudged, merged
from operations.scan.streamable import try_streamable
from operations.scan.websocket import try_websocket
from operations.scan.wire import (
    CredentialsRequired,
    InitializeRefused,
    NotMcp,
    ScanConnection,
    ScanLimitExceeded,
    wire_to,
)

#: Default paths of MCP servers, most usual first; `--path` adds others.
PATHS = ("/mcp", "/sse", "/", "/mcp/", "/ws", "/messages", "/api/mcp", "/mcp/sse")
#: Redirects within one server that are followed, as a client would follow them.
MAX_REDIRECTS = 2
#: Each socket takes two connections at most, so sixteen in all.
AT_ONCE = 8

Progress = Callable[[int, int], None]


@dataclass
class _Findings:
    servers: list[ScannedServer] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)
    quiet: int = 0
    finished: int = 0


def scan(
    places: Sequence[ScanTarget],
    *,
    paths: Sequence[str] = PATHS,
    timeout: float = 10.0,
    deadline: float = 120.0,
    onboarded: Callable[[ScanTarget, str], str | None] = lambda place, path: None,
    progress: Progress | None = None,
) -> ScanReport:
    """Scan each place. It starts an event loop of its own, so it must not be called inside a running one.

    Args:
        paths: where an MCP endpoint may be on each of them.
        timeout: seconds for one socket with all its paths.
        deadline: seconds for all places; the report is incomplete when some were not looked at by then.
        onboarded: the stack that names this place and path as its origin, or None.
        progress: called about once a second with the number of places done and of all places.
    """
    return asyncio.run(_scan(places, paths, timeout, deadline, onboarded, progress))


async def _scan(
    places: Sequence[ScanTarget],
    paths: Sequence[str],
    timeout: float,
    deadline: float,
    onboarded: Callable[[ScanTarget, str], str | None],
    progress: Progress | None,
) -> ScanReport:
    findings = _Findings()
    gate = asyncio.Semaphore(AT_ONCE)
    started: set[ScanTarget] = set()

    async def inspect(place: ScanTarget) -> None:
        async with gate:
            started.add(place)
            await _inspect(place, paths, timeout, findings)
            findings.finished += 1

    async def tick() -> None:
        while progress is not None:
            await asyncio.sleep(1)
            progress(findings.finished, len(places))

    ticking = asyncio.create_task(tick())
    complete = True
    try:
        async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(inspect(place))
    except TimeoutError:
        complete = False
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    if not complete:
        missed = [place for place in places if place not in started]
        findings.unjudged += [Unjudged(place, "was not looked at: time ran out") for place in missed]
    servers = [_settled(server, onboarded) for server in merged(findings.servers)]
    servers.sort(
        key=lambda server: (ORDER.index(server.danger), server.state, server.place.port, server.place.addresses)
    )
    return ScanReport(tuple(servers), tuple(findings.unjudged), len(places), findings.quiet, complete)


async def _inspect(place: ScanTarget, paths: Sequence[str], timeout: float, findings: _Findings) -> None:
    """Scan one socket, from the first contact to its tools; it takes at most `timeout` seconds, whatever the server does."""
    introductions: list[Introduction] = []
    notes: list[str] = []
    scheme: Literal["http", "https"] = place.scheme or "http"
    guard = False
    wire: ScanConnection | None = None
    try:
        async with asyncio.timeout(timeout):
            if place.socket is None and place.scheme is None:
                contact = await first_contact(place.address, place.port, timeout=min(3.0, timeout / 3))
                if contact.kind in ("client-certificate", "unreachable") or (contact.kind == "refused" and place.named):
                    findings.unjudged.append(Unjudged(place, contact.detail))
                    return
                if contact.kind not in ("http", "https"):
                    # A server that is busy or hangs is no proof that nobody beyond this machine gets an answer.
                    if place.named or (contact.kind == "silent" and place.beyond_loopback):
                        findings.unjudged.append(Unjudged(place, contact.detail))
                    findings.quiet += 1
                    return
                scheme = "https" if contact.kind == "https" else "http"
            async with wire_to(
                *_base(place, scheme), connector=_connector(place), request_timeout=min(5.0, timeout / 2)
            ) as wire:
                candidates = (place.path,) if place.path and place.path != "/" else tuple(paths)
                patience = min(3.0, timeout / 3)
                await _ask_all(wire, candidates, introductions, notes, patience=patience)
                if wire.host_refused and wire.host and not _is_any_open(introductions):
                    # Try again with the address as Host, as an attacker would.
                    wire.host, wire.host_refused = "", False
                    await _ask_all(wire, candidates, introductions, notes, patience=patience)
                if wire.host_refused and not introductions:
                    notes.append("answers only to its own host name, which is not known: name it as HOST:PORT")
                if introductions:
                    guard = wire.guard_header and await _healthz(wire)
    except TimeoutError:
        notes.append(f"speaks HTTP, and did not answer everything within {timeout:g} s")
    except asyncio.CancelledError:
        notes.append("was not finished: time ran out")
        raise
    except ScanLimitExceeded as error:
        notes.append(str(error))
    except (aiohttp.ClientError, OSError) as error:
        notes.append(f"broke off ({type(error).__name__})")
    finally:
        # Also when the time of the whole scan has run out: what this socket has shown so far is reported.
        for introduction in introductions:
            findings.servers.append(_server(place, scheme, introduction, guard=guard))
        # Another path of a server that asks for credentials may be open, so the notes about it are reported too.
        if notes and not _is_any_open(introductions):
            findings.unjudged.append(Unjudged(place, _joined(notes)))


def _is_any_open(introductions: Sequence[Introduction]) -> bool:
    return any(introduction.demands is None for introduction in introductions)


def _joined(notes: Sequence[str], most: int = 2) -> str:
    distinct = list(dict.fromkeys(notes))
    remainder = f"; and {len(distinct) - most} more of the kind" if len(distinct) > most else ""
    return "; ".join(distinct[:most]) + remainder


def _base(place: ScanTarget, scheme: str) -> tuple[str, str]:
    """Base URL and Host header of a place.

    The Host is localhost for this machine's sockets: a check of Host against DNS rebinding stops browsers only, as an
    attacker writes any Host.
    """
    if place.socket is not None:
        return "http://localhost", "localhost:80"
    name = f"[{place.address}]" if ":" in place.address else place.address
    return f"{scheme}://{name}:{place.port}", "" if place.named else f"localhost:{place.port}"


def _connector(place: ScanTarget) -> aiohttp.BaseConnector:
    if place.socket is not None:
        return aiohttp.UnixConnector(place.socket, limit=2)
    return aiohttp.TCPConnector(limit=2, ssl=inspecting_tls(), use_dns_cache=True)


async def _ask_all(
    wire: ScanConnection, paths: Sequence[str], introductions: list[Introduction], notes: list[str], *, patience: float
) -> None:
    """Try every transport on every path, one request at a time; appends to `introductions` and `notes` on the way."""
    demanded: list[tuple[Transport, str, CredentialsRequired]] = []
    queue = list(paths)
    for path in queue:
        attempts: tuple[tuple[Transport, Callable[[], object]], ...] = (
            ("streamable-http", lambda path=path: try_streamable(wire, path)),  # type: ignore[misc]
            ("http+sse", lambda path=path: try_sse(wire, path)),  # type: ignore[misc]
            ("websocket", lambda path=path: try_websocket(wire, path, patience)),  # type: ignore[misc]
        )
        for transport, attempt in attempts:
            try:
                introductions.append(await attempt())  # type: ignore[misc]
                break
            except CredentialsRequired as demand:
                demanded.append((transport, path, demand))
                if transport != "websocket":
                    break
            except InitializeRefused as refused:
                notes.append(f"speaks JSON-RPC at {path} and refused initialize: {refused}")
                break
            except NotMcp:
                continue
            except TimeoutError:
                notes.append(f"did not answer at {path} in time")
                break
            except ScanLimitExceeded as error:
                notes.append(f"at {path}: {error}")
                break
            except (aiohttp.ClientError, OSError, ValueError) as error:
                notes.append(f"broke off at {path} ({type(error).__name__})")
                break
        room = len(paths) + MAX_REDIRECTS - len(queue)
        queue += [path for path in dict.fromkeys(wire.moved) if path not in queue][:room]
        if wire.remaining <= 0:
            return
    if demanded:
        await _judge_demands(wire, demanded, introductions, notes)


async def _judge_demands(
    wire: ScanConnection,
    demanded: list[tuple[Transport, str, CredentialsRequired]],
    introductions: list[Introduction],
    notes: list[str],
) -> None:
    """Add each path that asks for credentials and speaks MCP.

    It speaks MCP when its response shows that, or when a path that cannot exist asks for no credentials.
    """
    certain = [entry for entry in demanded if entry[2].certain]
    if not certain:
        nowhere = f"/ringwall-scan-{secrets.token_hex(4)}"
        try:
            await try_streamable(wire, nowhere)
        except CredentialsRequired:
            tried = ", ".join(path for _, path, _ in demanded)
            notes.append(f"asks for credentials on every path ({tried}): cannot tell whether MCP is behind that")
            return
        except NotMcp:
            certain = [entry for entry in demanded if entry[1] != "/"]
    if not certain and demanded:
        notes.append(f"asks for {demanded[0][2].requirement} at {demanded[0][1]}")
    for transport, path, demand in certain:
        introductions.append(Introduction(transport, path, demands=demand.requirement))


async def _healthz(wire: ScanConnection) -> bool:
    async with wire.ask("GET", "/healthz", {}) as answer:
        return (await wire.body(answer, 64)).strip() in (b"ok", b"closed")


# -- judging -----------------------------------------------------------------------------------------------------------


def _server(
    place: ScanTarget, scheme: Literal["http", "https"], introduction: Introduction, *, guard: bool
) -> ScannedServer:
    state: State = "guarded" if introduction.demands else "exposed" if place.beyond_loopback else "open"
    traits = traits_of(introduction.tools or (), introduction.name)
    tools = None if introduction.tools is None else tuple(_tool(tool, traits) for tool in introduction.tools)
    concerns = [visible(str(concern)) for concern in warnings("tool", introduction.tools or ())]
    concerns += [f"its instructions: {problem}" for problem in text_problems(introduction.instructions)]
    return ScannedServer(
        place=place,
        scheme=scheme,
        transports=((introduction.transport, introduction.path),),
        state=state,
        name=introduction.name,
        version=introduction.version,
        protocol_version=introduction.protocol_version,
        demands=introduction.demands,
        tools=tools,
        warnings=tuple(concerns[:20]),
        problem=introduction.problem,
        guard=guard,
        owner=command_line(place.pid) if place.pid is not None else "",
    )


def _tool(definition: dict[str, object], traits: ServerTraits) -> Tool:
    judgement = assess(definition, traits)
    name = visible(str(definition.get("name", "")))[:128]
    return Tool(name, judgement.risk, judgement.reasons, judgement.outbound)


def _settled(server: ScannedServer, onboarded: Callable[[ScanTarget, str], str | None]) -> ScannedServer:
    """Mark a server that is already behind the rings; only on loopback, as a server bound beyond it is reached past them."""
    stack = next((s for _, path in server.transports if (s := onboarded(server.place, path)) is not None), None)
    server = replace(server, onboarded=stack)
    if not server.place.beyond_loopback and (server.guard or stack is not None):
        return replace(server, state="behind rings")
    return server
