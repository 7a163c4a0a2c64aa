from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox
from cli.project import current_project
from cli.target import target_of
from engine.deploy import contract_is_current
from engine.repair.pending import interrupted, pending_summary
from engine.state import all_live_resources
from engine.workspace import Target
from model.errors import InputError, InputErrors
from model.project import Project, load
from model.stacks import environment_of, server_of


def status(
    environment: Annotated[str | None, typer.Argument(help="One environment; else all.", show_default=False)] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what of the files is deployed: resources in the backend, and whether an environment is the one in its file.

    The backend is asked once, however many servers there are. Providers and the stack itself count only where the backend
    is a service, whose own list has them.
    """
    found = current_project()
    stacks = [s for s in found.stacks() if environment is None or environment_of(s) == environment]
    if environment is not None and not stacks:
        raise InputError(f"there is no environment {environment}", remedy="see `ringwall list`")
    asking = console.working(f"asking the backend about {len(stacks)} stacks")
    with target_of(found, sandbox=sandbox, plugins=False) as target, asking:
        rows = _rows(found, stacks, target)
    if as_json:
        console.print_json({"version": 1, "stacks": rows})
        return
    console.table(
        ["stack", "deployed", "resources", "note"],
        [[row["stack"], "yes" if row["resources"] else "no", str(row["resources"] or 0), row["note"]] for row in rows],
    )


def _rows(project: Project, stacks: Sequence[str], target: Target) -> list[dict[str, Any]]:
    """The backend's list and every environment are read once, however many servers there are."""
    counts = all_live_resources(target, list(stacks))
    notes: dict[str, str] = {}
    for stack in stacks:
        if server_of(stack):
            continue
        try:
            loaded = load(project, stack)
            if counts[stack] and not contract_is_current(target, loaded):
                notes[stack] = f"deployed settings differ from the file: run `ringwall up {stack}`"
        except InputError as error:
            problems = error.problems if isinstance(error, InputErrors) else [error]
            for problem in reversed(problems):
                named = [one for one in stacks if f"{problem.file}:".startswith(f"{project.stack_file(one)}:")]
                for one in named or [stack]:
                    notes[one] = str(problem)
    for stack, operations in interrupted(target, stacks).items():
        notes[stack] = pending_summary(stack, operations)
    return [{"stack": stack, "resources": counts[stack], "note": notes.get(stack, "")} for stack in stacks]
