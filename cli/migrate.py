"""`ringwall migrate`: brings stack files and tool locks to the current version."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from operations.project.migrations import plan_migration
from operations.project.new_project import refresh_schema
from operations.project.write import apply


def migrate(*, check: bool, as_json: bool) -> None:
    """What `ringwall migrate` does; its flags and help are in `cli.flags.migrate`."""
    project = current_project()
    changes = plan_migration(project)
    if not check:
        apply(changes)
        refresh_schema(project)
    if as_json:
        console.print_json({"version": 1, "files": [str(change.path) for change in changes], "written": not check})
    for change in changes:
        console.say(f"{'old: ' if check else 'wrote '}{change.path}")
    if not changes:
        console.say("every file is in its current version")
    if check and changes:
        raise typer.Exit(3)
