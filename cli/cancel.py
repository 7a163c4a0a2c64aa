from __future__ import annotations

import typer

from cli import console
from cli.options import Debug, ProjectDir, Sandbox, Stack, Yes


def cancel(
    stack: Stack, yes: Yes = False, sandbox: Sandbox = False, project: ProjectDir = None, debug: Debug = False
) -> None:
    """Release the lock of an update that was interrupted."""
    from cli.project import current_project
    from cli.runs import target_of
    from cli.workspace import workspace

    found = current_project()
    if not console.ask(f"Make sure that no update of {stack} is running. Release its lock?", yes=yes):
        console.note("nothing was changed")
        raise typer.Exit(1)
    with target_of(found, sandbox=sandbox, plugins=False) as target, workspace(target, stack) as selected:
        selected.cancel()
    console.say(f"{stack}: lock released; run `ringwall refresh {stack}` before the next up")
