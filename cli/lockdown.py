"""`ringwall lockdown`: a server closed to everyone in every ring, and opened again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from cli import console
from cli.keys import sync_environment
from cli.project import current_project
from cli.services import services
from cli.target import target_of
from cli.terminal import Terminal
from model.errors import InputError
from model.project import Project, load_environment
from model.stacks import environment_of
from operations.guard_bundle.delivery import Guards, guards_of
from operations.incident.close import close
from operations.incident.edits import calls_to_close, edits_of, planned_steps
from operations.incident.lift import Opening
from operations.journal import NotComplete, Operation
from operations.project.server_files import servers_of
from operations.project.write import FileChange


def lockdown(
    stack: str,
    *,
    reason: str | None,
    lift: bool,
    key: Path | None,
    bundles: Path,
    wait: float,
    dry_run: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall lockdown` does; its flags and help are in `cli.flags.lockdown`."""
    project = current_project()
    stacks = servers_of(project, stack)
    if reason is None and not lift:
        raise InputError("a lockdown needs a reason", key="--reason", remedy='add --reason "why, and who decided it"')
    changes, unwritable = edits_of(project, stacks, reason, lift=lift)
    environment = environment_of(stack)
    if dry_run:
        loaded = load_environment(project, environment)
        if not lift:
            console.note(f"closing {'would take' if sandbox else 'takes'} {calls_to_close(loaded, stacks)}")
        planned = planned_steps(loaded, stacks, lift=lift)
        _say_plan([str(change.path) for change in changes], planned, lift=lift, as_json=as_json)
        return
    guards = guards_of(key, bundles, wait)
    if lift:
        operation = _lift(project, stack, stacks, changes, guards, reason, yes=yes, sandbox=sandbox)
    else:
        console.consent(f"Close {' and '.join(stacks)} to everyone?", yes=yes)
        with services(project, environment, sandbox=sandbox) as connected:
            operation = close(
                project,
                stack,
                stacks,
                changes,
                unwritable,
                guards,
                reason or "",
                connected,
                Terminal(),
                sandbox=sandbox,
            )
    finish(operation, as_json=as_json)


def finish(operation: Operation, *, as_json: bool) -> None:
    """The end of an operation: its journal line, the one JSON document, and the exit code."""
    try:
        operation.end()
    except NotComplete as error:
        if not as_json:
            raise
        console.print_json(operation.as_json())
        console.note(f"error: {error}")
        raise typer.Exit(error.exit_code) from None
    if as_json:
        console.print_json(operation.as_json())


def _say_plan(files: Sequence[str], planned: Sequence[dict[str, Any]], *, lift: bool, as_json: bool) -> None:
    if as_json:
        console.print_json({"version": 1, "dry_run": True, "lift": lift, "files": files, "stacks": planned})
    for file in files:
        console.say(f"would write {file}")
    for plan in planned:
        for step in plan["steps"]:
            console.say(f"{plan['stack']}: {step['ring']}: {step['text']}")


def _lift(
    project: Project,
    stack: str,
    stacks: Sequence[str],
    changes: Sequence[FileChange],
    guards: Guards,
    reason: str | None,
    *,
    yes: bool,
    sandbox: bool,
) -> Operation:
    operation = Operation(project.root, "lockdown --lift", stack, reason, Terminal())
    closed = [name for name in stacks if any(change.path == project.stack_file(name) for change in changes)]
    environment = environment_of(stack)
    with (
        target_of(project, sandbox=sandbox) as target,
        services(project, environment, sandbox=sandbox) as (edge, gateway, _),
    ):
        opening = Opening(project, closed, list(changes), operation, guards, target, edge, gateway)
        agreed = opening.prepare(lambda: console.ask(f"Open {' and '.join(closed)} again?", yes=yes))
        if not agreed:
            console.note("nothing was changed")
            raise typer.Exit(1)
        opening.run(keys=None if sandbox else lambda environment: sync_environment(project, environment))
    return operation
