"""`ringwall status`: shows what of the files is deployed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.deploy import contract_difference
from engine.repair.pending import pending_summary, recorded_states
from engine.repair.pending_state import pending
from engine.state import all_live_resources, lists_everything
from engine.workspace import Target
from model.errors import EngineFailed, InputError, InputErrors
from model.project import Project, load
from model.stacks import environment_of, server_of
from model.text import counted


def status(*, environment: str | None, sandbox: bool, as_json: bool) -> None:
    """What `ringwall status` does; its flags and help are in `cli.flags.status`."""
    project = current_project()
    stacks = [s for s in project.stacks() if environment is None or environment_of(s) == environment]
    if environment is not None and not stacks:
        raise project.unknown(environment)
    asking = console.working(f"asking the backend about {counted(len(stacks), 'stack')}")
    with target_of(project, sandbox=sandbox, plugins=False) as target, asking:
        rows = _rows(project, stacks, target)
        is_list = lists_everything(target)
    if as_json:
        console.print_json({"version": 1, "stacks": rows})
    else:
        if is_list:
            console.note("note: this backend's numbers count providers and the stack itself, too")
        console.table(["stack", "deployed", "resources", "note"], [_cells(row) for row in rows])
    if any(not row["readable"] for row in rows):
        raise typer.Exit(EngineFailed.exit_code)


def _cells(row: dict[str, Any]) -> list[str]:
    if not row["readable"]:
        return [row["stack"], "unknown", "?", row["note"]]
    return [row["stack"], "yes" if row["resources"] else "no", str(row["resources"] or 0), row["note"]]


def _rows(project: Project, stacks: Sequence[str], target: Target) -> list[dict[str, Any]]:
    """The backend's list and every environment are read once, however many servers there are. A stack whose record cannot
    be read hides no other."""
    states = recorded_states(target, stacks)
    unreadable = {stack: str(state) for stack, state in states.items() if isinstance(state, EngineFailed)}
    counts = all_live_resources(target, [stack for stack in stacks if stack not in unreadable])
    notes: dict[str, str] = {}
    for stack in stacks:
        if server_of(stack):
            continue
        try:
            loaded = load(project, stack)
            if counts.get(stack) and (differs := contract_difference(target, loaded)) is not None:
                notes[stack] = f"as deployed it {differs}: run `ringwall up {stack}`"
        except InputError as error:
            problems = error.problems if isinstance(error, InputErrors) else [error]
            for problem in reversed(problems):
                named = [name for name in stacks if f"{problem.file}:".startswith(f"{project.stack_file(name)}:")]
                for name in named or [stack]:
                    notes[name] = str(problem)
    for stack, state in states.items():
        if not isinstance(state, EngineFailed) and (operations := pending(state)):
            notes[stack] = pending_summary(stack, operations)
    notes |= unreadable
    return [
        {
            "stack": stack,
            "resources": counts.get(stack),
            "readable": stack not in unreadable,
            "note": notes.get(stack, ""),
        }
        for stack in stacks
    ]
