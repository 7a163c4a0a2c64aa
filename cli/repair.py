"""`ringwall repair`: mends what an interrupted run left."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.locate import require
from engine.repair import pending
from model.project import load


def repair(
    stack: str,
    *,
    dry_run: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall repair` does; its flags and help are in `cli.flags.repair`."""
    project = current_project()
    require()
    loaded = load(project, stack)
    stacks = [stack]
    stacks += [member.stack for member in loaded.perimeters if member is not loaded]
    with target_of(project, sandbox=sandbox, plugins=not dry_run) as target:
        if dry_run:
            findings = [
                finding
                for name in pending.interrupted(target, stacks)
                for finding in pending.resolve(target, name, dry_run=True)
            ]
            for finding in findings:
                console.say(finding.line)
        else:
            findings = pending.resolve_before(target, stacks, yes=yes)
    if as_json:
        console.print_json(
            {"version": 1, "dry_run": dry_run, "operations": [finding.as_json() for finding in findings]}
        )
    if not findings:
        console.say(f"{stack}: no interrupted operation is recorded")
    elif dry_run:
        raise typer.Exit(3)
