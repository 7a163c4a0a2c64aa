from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir
from cli.project import current_project
from operations.project.migrations import plan_migration
from operations.project.new_project import refresh_schema
from operations.project.write import apply


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when a file is old.")] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Bring stack files and tool locks to the current version; comments and blank lines stay."""
    found = current_project()
    changes = plan_migration(found)
    if not check:
        apply(changes)
        refresh_schema(found)
    if as_json:
        console.print_json({"version": 1, "files": [str(change.path) for change in changes], "written": not check})
    for change in changes:
        console.say(f"{'old: ' if check else 'wrote '}{change.path}")
    if not changes:
        console.say("every file is in its current version")
    if check and changes:
        raise typer.Exit(1)
