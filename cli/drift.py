"""`ringwall drift`: compares recorded, real and desired state, and shows one table."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.locate import require
from model.errors import InputError
from model.project import load
from model.suggestions import did_you_mean
from operations.drift.comparison import DriftComparison
from operations.drift.sources import SANDBOX_SOURCES, SOURCES, compare
from plan.drift import DriftTable


def drift(
    stack: str,
    *,
    only: list[str] | None,
    allow_unreachable: bool,
    guard_url: str | None,
    on_host: bool,
    timeout: float,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall drift` does; its flags and help are in `cli.flags.drift`."""
    for name in only or ():
        if name not in SOURCES:
            raise InputError(f"there is no source {name}", key="--only", remedy=did_you_mean(name, SOURCES))
    project = current_project()
    require()
    loaded = load(project, stack)
    stacks = [stack]
    stacks += [member.stack for member in loaded.perimeters if member is not loaded]
    if guard_url is not None and "." not in stack:
        raise InputError("--guard-url is one server's", remedy="name the server, as in dev.github")
    with target_of(project, sandbox=sandbox) as target:
        target.require_state()
        inspection = DriftComparison(project, target, loaded, tuple(stacks), timeout, guard_url, on_host)
        chosen = only or (_in_sandbox(guard_url) if sandbox else SOURCES)
        rows, inspected = compare(inspection, chosen, lambda source: console.note(f"looking at {source}"))
    not_asked = () if only else tuple(source for source in SOURCES if source not in chosen)
    table = DriftTable(stack, tuple(rows), tuple(inspected), not_asked)
    show(table, as_json=as_json)
    if code := table.exit_code(allow_unreachable=allow_unreachable):
        raise typer.Exit(code)


def _in_sandbox(guard_url: str | None) -> tuple[str, ...]:
    """What is compared where nothing else is said: a guard only where one is named."""
    return (*SANDBOX_SOURCES, "guard") if guard_url is not None else SANDBOX_SOURCES


def show(table: DriftTable, *, as_json: bool) -> None:
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
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no drift"
    console.say(f"{table.stack}: {summary}; looked at {', '.join(table.sources) or 'nothing'}")
    if table.not_asked:
        *names, last = table.not_asked
        console.say(f"not asked: {', '.join(names)} and {last}, which the sandbox has not")
