from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack
from cli.project import current_project
from cli.target import target_of
from engine.locate import require
from model.errors import InputError
from model.project import load
from operations.drift.comparison import Comparison
from operations.drift.sources import SOURCES, compare
from plan.drift import Table


def drift(
    stack: Stack,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="SOURCE",
            help="Look at this alone: engine, gateway, keys, guard or server. May be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_unreachable: Annotated[
        bool, typer.Option("--allow-unreachable", help="What could not be looked at is shown and fails nothing.")
    ] = False,
    guard_url: Annotated[
        str | None,
        typer.Option(
            "--guard-url",
            metavar="URL",
            help="Where the guard's /readyz is reached from here; else on this machine. One server only.",
            show_default=False,
        ),
    ] = None,
    on_host: Annotated[
        bool,
        typer.Option("--on-host", help="This is the origin host: a server that is a command is started and asked."),
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds a guard or server has to answer.", min=1, max=300)] = 10,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare what is recorded, what is real and what the files say. Nothing is touched. Exit code 3 where they differ.

    Looks at the engine's resources (refresh and preview, neither recorded), the gateway's live configuration, the
    issuers' keys there, the bundle in force at the guard, and the server's live tools against the lock. What cannot be
    looked at from here is shown as unreachable: exit code 6, unless drift was found or --allow-unreachable is given. Each
    row says what puts it right.
    """
    for name in only or ():
        if name not in SOURCES:
            raise InputError(f"there is no source {name}", key="--only", remedy=f"use {', '.join(SOURCES)}")
    found = current_project()
    require()
    loaded = load(found, stack)
    stacks = [stack]
    stacks += [server.stack for server in loaded.reach if server is not loaded]
    if guard_url is not None and "." not in stack:
        raise InputError("--guard-url is one server's", remedy="name the server, as in dev.github")
    with target_of(found, sandbox=sandbox) as target:
        target.require_state()
        comparison = Comparison(found, target, loaded, tuple(stacks), timeout, guard_url, on_host)
        rows, looked = compare(comparison, only or SOURCES, lambda source: console.note(f"looking at {source}"))
    table = Table(stack, tuple(rows), tuple(looked))
    show(table, as_json=as_json)
    if code := table.exit_code(allow_unreachable=allow_unreachable):
        raise typer.Exit(code)


def show(table: Table, *, as_json: bool) -> None:
    """The table and its sum, or the one JSON document."""
    if as_json:
        console.print_json(table.as_json())
        return
    if table.rows:
        console.table(
            ["kind", "source", "what", "recorded", "real", "desired", "put right by"],
            [[row.kind, row.source, row.what, row.recorded, row.real, row.desired, row.repair] for row in table.rows],
        )
    counts = table.as_json()["counts"]
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no drift"
    console.say(f"{table.stack}: {said}; looked at {', '.join(table.sources) or 'nothing'}")
