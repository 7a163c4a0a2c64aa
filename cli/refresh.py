from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes


def refresh(
    stack: Stack,
    preview_only: Annotated[bool, typer.Option("--preview-only", help="Show what differs; record nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read the real resources back into the recorded state."""
    from cli import live
    from cli.project import current_project
    from cli.report import fail_on_error, show_preview, show_results
    from cli.runs import Run, execute, target_of
    from engine.locate import require

    found = current_project()
    require()
    if not preview_only and not console.ask(f"Replace the recorded state of {stack} by what is read?", yes=yes):
        console.note("nothing was changed")
        raise typer.Exit(1)
    run = Run(stack, "preview_refresh" if preview_only else "refresh")
    with target_of(found, sandbox=sandbox) as target, live.progress([run]):
        execute(target, run)
    if as_json:
        console.print_json({"version": 1, "runs": [run.as_json()]})
    show_preview([run])
    if not preview_only:
        show_results([run])
    fail_on_error([run])
