"""`ringwall scan`: which MCP servers somebody could call past every ring."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cli import console, invocation
from model.errors import InputError, Unreachable
from model.text import counted
from model.tool_lock import Risk
from operations.scan import origins
from operations.scan.advice import YOURSELF, Advice, advise, name_for
from operations.scan.document import document, row, summary
from operations.scan.places import named_places, places
from operations.scan.report import ScanReport, ScanTarget
from operations.scan.scan import PATHS
from operations.scan.scan import scan as look
from operations.sockets import all_listeners, other_namespaces

EXPOSED = 3


def scan(
    *,
    targets: list[str] | None,
    port: list[int] | None,
    path: list[str] | None,
    timeout: float,
    deadline: float,
    strict: bool,
    as_json: bool,
) -> None:
    """What `ringwall scan` does; its flags and help are in `cli.flags.scan`."""
    for url_path in path or ():
        if not url_path.startswith("/") or not url_path.isascii() or not url_path.isprintable() or " " in url_path:
            raise InputError(f"{url_path} is no URL path", key="--path", remedy="write it such as /tools/mcp")
    if targets and port:
        raise InputError(
            "belongs to this machine's own sockets", key="--port", remedy="write HOST:PORT, or leave it out"
        )
    project = invocation.current().project
    known = origins.read(project)
    for warning in known.warnings:
        console.note(f"warning: {warning}")
    sockets = named_places(targets) if targets else places(all_listeners(), port or ())
    report = _run(sockets, tuple(dict.fromkeys((*PATHS, *(path or ())))), timeout, deadline, known.stack_of)
    names_in_use: set[str] = set(known.names)
    named = str(project) if project is not None else None
    advices = []
    for server in report.servers:
        advice = advise(server, environments=known.environments, used_names=frozenset(names_in_use), project=named)
        if advice.command:
            names_in_use.add(name_for(server, frozenset(names_in_use)))
        advices.append(advice)
    elsewhere = 0 if targets else other_namespaces()
    if elsewhere:
        console.note(
            f"note: {counted(elsewhere, 'other network namespace')} of this machine (containers) not "
            "looked at, published ports aside; run `ringwall scan` inside"
        )
    if as_json:
        console.print_json(document(report, advices) | {"other_namespaces": elsewhere})
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
    sockets: tuple[ScanTarget, ...],
    paths: tuple[str, ...],
    timeout: float,
    deadline: float,
    onboarded: Callable[[ScanTarget, str], str | None],
) -> ScanReport:
    screen = console.stderr()
    words = "looked at {} of {} sockets"
    if not screen.is_terminal:

        def line(count: int, total: int) -> None:
            console.note(words.format(count, total))

        return look(sockets, paths=paths, timeout=timeout, deadline=deadline, onboarded=onboarded, progress=line)
    with screen.status(words.format(0, len(sockets))) as status:
        return look(
            sockets,
            paths=paths,
            timeout=timeout,
            deadline=deadline,
            onboarded=onboarded,
            progress=lambda count, total: status.update(words.format(count, total)),
        )


_VERBS: tuple[tuple[Risk, str], ...] = (
    ("execute", "can run"),
    ("write", "can change"),
    ("unknown", "cannot be judged"),
)
_WORDS = {
    "exposed": "EXPOSED: anyone who reaches this machine may call it",
    "open": "open: every program of this machine may call it, and nobody beyond it",
    "guarded": "asks for credentials",
    "behind rings": "behind the rings",
}


def _show(report: ScanReport, advices: list[Advice], *, named: bool) -> None:
    if report.servers:
        console.table(
            ["danger", "where", "transport", "server", "state", "tools", "process"],
            [row(server) for server in report.servers],
        )
    for server, advice in zip(report.servers, advices, strict=True):
        if server.state == "behind rings":
            continue
        console.say()
        console.say(f"{server.url}: {_WORDS[server.state]}{f' ({server.demands})' if server.demands else ''}")
        for risk, verb in _VERBS:
            if names := server.named(risk):
                console.say(f"  {verb}: {_first_names(names)}")
        if server.problem:
            console.say(f"  not fully looked at: {server.problem}")
        for warning in server.warnings[:5]:
            console.say(f"  warning: {warning}")
        for step in advice.steps:
            console.say(f"  first: {step}")
        if advice.command:
            console.say(f"  then:  {advice.command}" if advice.steps else f"  {advice.command}")
    if any(advice.command for advice in advices):
        console.say(f"\n{YOURSELF} is whoever may reach the server; where no terminal is there to ask, add --yes")
    for unjudged in report.unjudged:
        console.note(f"warning: {unjudged.place} {unjudged.reason}")
    subject = "named place" if named else "listening socket"
    console.say(("\n" if report.servers else "") + summary(report, subject))


def _first_names(names: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
