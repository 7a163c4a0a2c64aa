from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox


def status(
    environment: Annotated[str | None, typer.Argument(help="One environment; else all.", show_default=False)] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what of the files is deployed: resources in the backend, and whether an environment is the one in its file."""
    from cli.project import current_project
    from cli.runs import target_of

    found = current_project()
    stacks = [s for s in found.stacks() if environment is None or s.split(".")[0] == environment]
    if environment is not None and not stacks:
        from model.errors import InputError

        raise InputError(f"there is no environment {environment}", remedy="see `ringwall list`")
    asking = console.working(f"asking the backend about {len(stacks)} stacks")
    with target_of(found, sandbox=sandbox, plugins=False) as target, asking:
        rows = [_row(found, stack, target) for stack in stacks]
    if as_json:
        console.print_json({"version": 1, "stacks": rows})
        return
    console.table(
        ["stack", "deployed", "resources", "note"],
        [[row["stack"], "yes" if row["resources"] else "no", str(row["resources"] or 0), row["note"]] for row in rows],
    )


def _row(project: Any, stack: str, target: Any) -> dict[str, Any]:
    from cli.deploy import contract_is_current
    from cli.engine_state import live_resources
    from cli.pending import interrupted, told
    from components.program import load
    from model.errors import InputError

    count = live_resources(project, stack, target)
    note = ""
    try:
        loaded = load(project, stack)
        if count and not contract_is_current(target, loaded):
            note = f"deployed settings differ from the file: run `ringwall up {stack}`"
    except InputError as error:
        note = str(error).split("\n")[0]
    for operations in interrupted(target, [stack]).values():
        note = told(stack, operations)
    return {"stack": stack, "resources": count, "note": note}
