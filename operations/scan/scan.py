"""Find MCP servers that somebody could call past every ring: on this machine's listening sockets, or where one is named.

The attack Ringwall ends begins with a scan of ports 8080 and 3000 that finds a server bound to every address and answering
without authentication. This is the same look, from the defender's side: real sockets, all four transports, what the tools
could do, and how to put the server behind the rings. It lists and calls no tool; it is bounded in bytes, time and
connections; it says of every port it could not judge that it could not.
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
from operations.onboard.risk import assess, text_problems, warnings
from operations.scan.contact import first_contact, inspecting_tls
from operations.scan.process import command_line
from operations.scan.report import ORDER, Place, Report, Server, State, Tool, Unjudged, merged
from operations.scan.transports import Spoken, Transport, try_sse, try_streamable, try_websocket
from operations.scan.wire import Demands, NotMcp, Refused, TooMuch, Wire, wire_to

#: Where MCP servers answer unless told otherwise, most usual first; `--path` adds others.
PATHS = ("/mcp", "/sse", "/", "/mcp/", "/ws", "/messages", "/api/mcp", "/mcp/sse")
#: Redirects within one server that are looked at, as a client would follow them.
MOST_MOVED = 2
#: Each socket takes two connections at most, so sixteen in all.
AT_ONCE = 8

Progress = Callable[[int, int], None]


@dataclass
class _Findings:
    servers: list[Server] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)
    quiet: int = 0
    done: int = 0


def scan(
    where: Sequence[Place],
    *,
    paths: Sequence[str] = PATHS,
    timeout: float = 10.0,
    deadline: float = 120.0,
    onboarded: Callable[[Place, str], str | None] = lambda place, path: None,
    progress: Progress | None = None,
) -> Report:
    """Look at each place. Not to be called inside a running event loop.

    Args:
        paths: where an MCP endpoint may be on each of them.
        timeout: seconds for one socket with all its paths.
        deadline: seconds for all of them; what is left then makes the report incomplete.
        onboarded: the stack that names this place and path as its origin, or None.
        progress: called about once a second with how many sockets are done, and of how many.
    """
    return asyncio.run(_scan(where, paths, timeout, deadline, onboarded, progress))


async def _scan(
    where: Sequence[Place],
    paths: Sequence[str],
    timeout: float,
    deadline: float,
    onboarded: Callable[[Place, str], str | None],
    progress: Progress | None,
) -> Report:
    findings = _Findings()
    gate = asyncio.Semaphore(AT_ONCE)
    started: set[Place] = set()

    async def one(place: Place) -> None:
        async with gate:
            started.add(place)
            await _look(place, paths, timeout, findings)
            findings.done += 1

    async def tick() -> None:
        while progress is not None:
            await asyncio.sleep(1)
            progress(findings.done, len(where))

    ticking = asyncio.create_task(tick())
    complete = True
    try:
        async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
            for place in where:
                group.create_task(one(place))
    except TimeoutError:
        complete = False
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    if not complete:
        rest = [place for place in where if place not in started]
        findings.unjudged += [Unjudged(place, "was not looked at: time ran out") for place in rest]
    found = [_settled(server, onboarded) for server in merged(findings.servers)]
    found.sort(key=lambda s: (ORDER.index(s.danger), s.state, s.place.port, s.place.addresses))
    return Report(tuple(found), tuple(findings.unjudged), len(where), findings.quiet, complete)


async def _look(place: Place, paths: Sequence[str], timeout: float, findings: _Findings) -> None:
    """One socket, from the first word to its tools; whatever it does, it takes `timeout` seconds at most."""
    found: list[Spoken] = []
    notes: list[str] = []
    scheme: Literal["http", "https"] = place.scheme or "http"
    guard = False
    wire: Wire | None = None
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
                mine = (place.path,) if place.path and place.path != "/" else tuple(paths)
                patience = min(3.0, timeout / 3)
                await _ask_all(wire, mine, found, notes, patience=patience)
                if wire.host_refused and wire.host and not any(one.demands is None for one in found):
                    wire.host, wire.host_refused = "", False  # its address, as an attacker would call it
                    await _ask_all(wire, mine, found, notes, patience=patience)
                if wire.host_refused and not found:
                    notes.append("answers only to a Host name that nobody gave: name it as HOST:PORT")
                if found:
                    guard = wire.guard_header and await _healthz(wire)
    except TimeoutError:
        notes.append(f"speaks HTTP, and did not answer everything within {timeout:g} s")
    except asyncio.CancelledError:
        notes.append("was not finished: time ran out")
        raise
    except TooMuch as error:
        notes.append(str(error))
    except (aiohttp.ClientError, OSError) as error:
        notes.append(f"broke off ({type(error).__name__})")
    finally:
        # Also when the whole scan's time is up: what one socket has shown so far is reported.
        for spoken in found:
            findings.servers.append(_server(place, scheme, spoken, guard=guard))
        # Beside a path that asks for credentials another one may be open.
        if notes and not any(one.demands is None for one in found):
            findings.unjudged.append(Unjudged(place, _joined(notes)))


def _joined(notes: Sequence[str], most: int = 2) -> str:
    every = list(dict.fromkeys(notes))
    more = f"; and {len(every) - most} more of the kind" if len(every) > most else ""
    return "; ".join(every[:most]) + more


def _base(place: Place, scheme: str) -> tuple[str, str]:
    """Base URL and Host header. On this machine localhost: a check of Host against DNS rebinding keeps browsers out and
    no attacker, who writes what he likes there."""
    if place.socket is not None:
        return "http://localhost", "localhost:80"
    name = f"[{place.address}]" if ":" in place.address else place.address
    return f"{scheme}://{name}:{place.port}", "" if place.named else f"localhost:{place.port}"


def _connector(place: Place) -> aiohttp.BaseConnector:
    if place.socket is not None:
        return aiohttp.UnixConnector(place.socket, limit=2)
    return aiohttp.TCPConnector(limit=2, ssl=inspecting_tls(), use_dns_cache=True)


async def _ask_all(wire: Wire, paths: Sequence[str], found: list[Spoken], notes: list[str], *, patience: float) -> None:
    """Every transport on every path, one request at a time; `found` and `notes` grow as it goes."""
    demanded: list[tuple[Transport, str, Demands]] = []
    queue = list(paths)
    for path in queue:
        attempts: tuple[tuple[Transport, Callable[[], object]], ...] = (
            ("streamable-http", lambda path=path: try_streamable(wire, path)),  # type: ignore[misc]
            ("http+sse", lambda path=path: try_sse(wire, path)),  # type: ignore[misc]
            ("websocket", lambda path=path: try_websocket(wire, path, patience)),  # type: ignore[misc]
        )
        for transport, attempt in attempts:
            try:
                found.append(await attempt())  # type: ignore[misc]
                break
            except Demands as demand:
                demanded.append((transport, path, demand))
                if transport != "websocket":
                    break
            except Refused as refused:
                notes.append(f"speaks JSON-RPC at {path} and refused initialize: {refused}")
                break
            except NotMcp:
                continue
            except TimeoutError:
                notes.append(f"did not answer at {path} in time")
                break
            except TooMuch as error:
                notes.append(f"at {path}: {error}")
                break
            except (aiohttp.ClientError, OSError, ValueError) as error:
                notes.append(f"broke off at {path} ({type(error).__name__})")
                break
        room = len(paths) + MOST_MOVED - len(queue)
        queue += [there for there in dict.fromkeys(wire.moved) if there not in queue][:room]
        if wire.left <= 0:
            return
    if demanded:
        await _judge_demands(wire, demanded, found, notes)


async def _judge_demands(
    wire: Wire, demanded: list[tuple[Transport, str, Demands]], found: list[Spoken], notes: list[str]
) -> None:
    """A path that asks for credentials is MCP when its answer shows it, or when a path that cannot exist asks for none."""
    certain = [entry for entry in demanded if entry[2].certain]
    if not certain:
        nowhere = f"/ringwall-scan-{secrets.token_hex(4)}"
        try:
            await try_streamable(wire, nowhere)
        except Demands:
            where = ", ".join(path for _, path, _ in demanded)
            notes.append(f"asks for credentials on every path ({where}): cannot tell whether MCP is behind that")
            return
        except NotMcp:
            certain = [entry for entry in demanded if entry[1] != "/"]
    if not certain and demanded:
        notes.append(f"asks for {demanded[0][2].what} at {demanded[0][1]}")
    for transport, path, demand in certain:
        found.append(Spoken(transport, path, demands=demand.what))


async def _healthz(wire: Wire) -> bool:
    async with wire.ask("GET", "/healthz", {}) as answer:
        return (await wire.body(answer, 64)).strip() in (b"ok", b"closed")


# -- judging -----------------------------------------------------------------------------------------------------------


def _server(place: Place, scheme: Literal["http", "https"], spoken: Spoken, *, guard: bool) -> Server:
    state: State = "guarded" if spoken.demands else "exposed" if place.beyond_loopback else "open"
    tools = None if spoken.tools is None else tuple(_tool(definition) for definition in spoken.tools)
    odd = [visible(str(concern)) for concern in warnings("tool", spoken.tools or ())]
    odd += [f"its instructions: {problem}" for problem in text_problems(spoken.instructions)]
    return Server(
        place=place,
        scheme=scheme,
        transports=((spoken.transport, spoken.path),),
        state=state,
        name=spoken.name,
        version=spoken.version,
        protocol_version=spoken.protocol_version,
        demands=spoken.demands,
        tools=tools,
        warnings=tuple(odd[:20]),
        problem=spoken.problem,
        guard=guard,
        owner=command_line(place.pid) if place.pid is not None else "",
    )


def _tool(definition: dict[str, object]) -> Tool:
    judged = assess(definition)
    return Tool(visible(str(definition.get("name", "")))[:128], judged.risk, judged.reasons, judged.outbound)


def _settled(server: Server, onboarded: Callable[[Place, str], str | None]) -> Server:
    """What stands behind the rings already: only on loopback, for beyond it everybody walks past them."""
    stack = next((s for _, path in server.transports if (s := onboarded(server.place, path)) is not None), None)
    server = replace(server, onboarded=stack)
    if not server.place.beyond_loopback and (server.guard or stack is not None):
        return replace(server, state="behind rings")
    return server
