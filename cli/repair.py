"""`ringwall repair`: mends what an interrupted run left."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.locate import require
from engine.repair import copies, pending
from engine.workspace import Target
from model.errors import EngineFailed
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
        restored = [name for name in stacks if _put_back(target, name, dry_run=dry_run, yes=yes)]
        if dry_run and restored:
            findings = []
        elif dry_run:
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
        operations = [finding.as_json() for finding in findings]
        console.print_json({"version": 1, "dry_run": dry_run, "restored": restored, "operations": operations})
    if not findings and not restored:
        console.say(f"{stack}: no interrupted operation is recorded")
    elif dry_run:
        raise typer.Exit(3)


def _put_back(target: Target, stack: str, *, dry_run: bool, yes: bool) -> bool:
    """Put the newest whole copy in the place of a recorded state that was cut off; whether that was, or would be, done."""
    checkpoint = copies.cut_off(target, stack)
    if checkpoint is None:
        return False
    copy = copies.newest_copy(target, stack)
    if copy is None:
        raise EngineFailed(
            f"{checkpoint}: the recorded state cannot be read, and no copy of it can",
            remedy="restore it from your own backup of that folder (docs/howto/backup-and-restore.md)",
        )
    console.note(f"{stack}: the recorded state cannot be read; {copy} is whole, of {copies.time_of(copy)}")
    if not dry_run:
        console.consent(f"Put that back as the recorded state of {stack}?", yes=yes)
        copies.put_back(target, stack, checkpoint, copy)
        console.note(
            f"{stack}: put back; run `ringwall up {stack}`, which names what was made since and is not recorded"
        )
    return True
