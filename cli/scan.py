"""`ringwall scan`: which MCP servers somebody could call past every ring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli import console, state
from cli.options import AsJson, Debug, ProjectDir
from model.errors import InputError, Unreachable
from model.tool_lock import Risk
from operations.scan import origins
from operations.scan.advice import Advice, advise, name_for
from operations.scan.places import named_places, places
from operations.scan.report import Place, Report, Server
from operations.scan.scan import PATHS
from operations.scan.scan import scan as look
from operations.sockets import all_listeners, other_namespaces

EXPOSED = 3


def scan(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Other machines to look at, each named: HOST:PORT, a URL, or a Unix socket's path; else this machine.",
            metavar="[HOST:PORT]...",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        list[int] | None,
        typer.Option(help="Look at this port of this machine only; repeatable.", min=1, max=65535, show_default=False),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(help="One more path where an MCP endpoint may be; repeatable.", show_default=False),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one socket with all its paths.", min=1, max=120)] = 10,
    deadline: Annotated[float, typer.Option(help="Seconds for everything together.", min=1, max=3600)] = 120,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit code 3 also for servers open on loopback and for ports that nobody can judge."
        ),
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find MCP servers that are bound beyond loopback or answer without authentication, and say how to onboard each.

    Looks at every listening TCP socket of this machine (IPv4 and IPv6; of a container's own only inside it), tries HTTP
    and TLS, then all four transports of MCP: HTTP+SSE of 2024-11-05, streamable HTTP with initialize and with
    server/discover, WebSocket. Paths tried: /mcp /sse / /mcp/ /ws /messages /api/mcp /mcp/sse, and each --path. A port
    gets a HEAD first and nothing more unless it speaks HTTP. Tools are listed and judged, never called.

    Another machine is looked at only where it is named, 16 at most; ranges are refused. Scan only what is yours.

    Exit code 3 when a server beyond loopback answers without authentication, 6 when time ran out before every socket
    was looked at, else 0.
    """
    for one in path or ():
        if not one.startswith("/") or not one.isascii() or not one.isprintable() or " " in one:
            raise InputError(f"{one} is no URL path", key="--path", remedy="write it such as /tools/mcp")
    if targets and port:
        raise InputError(
            "belongs to this machine's own sockets", key="--port", remedy="write HOST:PORT, or leave it out"
        )
    known = origins.read(state.project)
    for warning in known.warnings:
        console.note(f"warning: {warning}")
    where = named_places(targets) if targets else places(all_listeners(), port or ())
    report = _run(where, tuple(dict.fromkeys((*PATHS, *(path or ())))), timeout, deadline, known.stack_of)
    taken: set[str] = set(known.names)
    named = str(state.project) if state.project is not None else None
    advices = []
    for server in report.servers:
        advice = advise(server, environments=known.environments, used_names=frozenset(taken), project=named)
        if advice.command:
            taken.add(name_for(server, frozenset(taken)))
        advices.append(advice)
    elsewhere = 0 if targets else other_namespaces()
    if elsewhere:
        console.note(
            f"note: {elsewhere} other network namespace{'' if elsewhere == 1 else 's'} of this machine (containers) not "
            "looked at, published ports aside; run `ringwall scan` inside"
        )
    if as_json:
        console.print_json(_document(report, advices) | {"other_namespaces": elsewhere})
    else:
        _show(report, advices, named=bool(targets))
    loose = strict and (report.unjudged or any(server.state == "open" for server in report.servers))
    if report.exposed or loose:
        raise typer.Exit(EXPOSED)
    if not report.complete:
        raise Unreachable(
            f"time ran out after {deadline:g} s: not every socket was looked at; run again with a longer --deadline"
        )


def _run(
    where: tuple[Place, ...],
    paths: tuple[str, ...],
    timeout: float,
    deadline: float,
    onboarded: Callable[[Place, str], str | None],
) -> Report:
    screen = console.stderr()
    words = "looked at {} of {} sockets"
    if not screen.is_terminal:

        def line(done: int, total: int) -> None:
            console.note(words.format(done, total))

        return look(where, paths=paths, timeout=timeout, deadline=deadline, onboarded=onboarded, progress=line)
    with screen.status(words.format(0, len(where))) as status:
        return look(
            where,
            paths=paths,
            timeout=timeout,
            deadline=deadline,
            onboarded=onboarded,
            progress=lambda done, total: status.update(words.format(done, total)),
        )


_VERBS: tuple[tuple[Risk, str], ...] = (
    ("execute", "can run"),
    ("write", "can change"),
    ("unknown", "cannot be judged"),
)
_WORDS = {
    "exposed": "EXPOSED: anyone who reaches this machine may call it",
    "open": "open to every process of this machine",
    "guarded": "asks for credentials",
    "behind rings": "behind the rings",
}


def _show(report: Report, advices: list[Advice], *, named: bool) -> None:
    if report.servers:
        console.table(
            ["danger", "where", "transport", "server", "state", "tools", "process"],
            [_row(server) for server in report.servers],
        )
    for server, advice in zip(report.servers, advices, strict=True):
        if server.state == "behind rings":
            continue
        console.say()
        console.say(f"{server.url}: {_WORDS[server.state]}{f' ({server.demands})' if server.demands else ''}")
        for risk, verb in _VERBS:
            if names := server.named(risk):
                console.say(f"  {verb}: {_some(names)}")
        if server.problem:
            console.say(f"  not fully looked at: {server.problem}")
        for warning in server.warnings[:5]:
            console.say(f"  warning: {warning}")
        for step in advice.steps:
            console.say(f"  first: {step}")
        if advice.command:
            console.say(f"  then:  {advice.command}" if advice.steps else f"  {advice.command}")
    for one in report.unjudged:
        console.note(f"warning: {one.place} {one.reason}")
    what = "named places" if named else "listening sockets"
    console.say(("\n" if report.servers else "") + _summary(report, what))


def _summary(report: Report, what: str) -> str:
    count = len(report.servers)
    text = f"{report.sockets} {what} looked at, {count} MCP server{'' if count == 1 else 's'} found"
    if report.exposed:
        return f"{text}, {len(report.exposed)} of them exposed"
    if report.unjudged:
        return f"{text}, none of them exposed, {len(report.unjudged)} could not be judged"
    return f"{text}, none of them exposed"


def _row(server: Server) -> list[str]:
    about = f"{server.name} {server.version}".strip() or "(says nothing about itself)"
    transports = dict.fromkeys(transport for transport, _ in server.transports)
    place = str(server.place) + "".join(f" {p}" for p in dict.fromkeys(path for _, path in server.transports))
    shown = server.state if server.onboarded is None else f"{server.state} ({server.onboarded})"
    if server.guard:
        shown += " (a Ringwall guard)"
    owner = f"{server.place.pid} {server.owner}".strip() if server.place.pid is not None else "(not ours to see)"
    return [
        server.danger,
        place,
        ", ".join(transports),
        about,
        shown,
        _counts(server),
        "" if server.place.named else owner,
    ]


def _counts(server: Server) -> str:
    if server.tools is None:
        return "not listed"
    risks: tuple[Risk, ...] = ("execute", "write", "unknown", "read")
    counted = [f"{len(names)} {risk}" for risk in risks if (names := server.named(risk))]
    return ", ".join(counted) or "none"


def _some(names: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _document(report: Report, advices: list[Advice]) -> dict[str, Any]:
    return {
        "version": 1,
        "complete": report.complete,
        "sockets": report.sockets,
        "quiet": report.quiet,
        "exposed": len(report.exposed),
        "servers": [
            {
                "danger": server.danger,
                "state": server.state,
                "url": server.url,
                "addresses": list(server.place.addresses),
                "port": server.place.port,
                "pid": server.place.pid,
                "process": server.owner,
                "transports": [{"transport": transport, "path": path} for transport, path in server.transports],
                "name": server.name,
                "server_version": server.version,
                "protocol_version": server.protocol_version,
                "demands": server.demands,
                "guard": server.guard,
                "onboarded": server.onboarded,
                "problem": server.problem,
                "warnings": list(server.warnings),
                "tools": None
                if server.tools is None
                else [
                    {"name": t.name, "risk": t.risk, "reasons": list(t.reasons), "outbound": t.outbound}
                    for t in server.tools
                ],
                "steps": list(advice.steps),
                "command": advice.command,
            }
            for server, advice in zip(report.servers, advices, strict=True)
        ],
        "unjudged": [{"where": str(one.place), "reason": one.reason} for one in report.unjudged],
    }
