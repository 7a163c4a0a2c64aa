from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes
from cli.project import current_project
from cli.target import target_of
from engine.locate import require
from engine.repair import pending
from model.project import load


def repair(
    stack: Stack,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look and say; change nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Mend what an interrupted run left: objects that were being made, changed or deleted when it ended.

    Each is looked up at Cloudflare or Kong by name and tag. What is there is recorded, what is not is forgotten, what was
    being changed or deleted is read back; nothing that was recorded is touched. `up` and `destroy` do the same first. An
    environment stands for its servers too. Exit code 3 with --dry-run where there is something to mend.
    """
    found = current_project()
    require()
    loaded = load(found, stack)
    stacks = [stack]
    stacks += [server.stack for server in loaded.reach if server is not loaded]
    with target_of(found, sandbox=sandbox, plugins=not dry_run) as target:
        if dry_run:
            findings = [
                one
                for name in pending.interrupted(target, stacks)
                for one in pending.resolve(target, name, dry_run=True)
            ]
            for one in findings:
                console.say(one.line)
        else:
            findings = pending.resolve_before(target, stacks, yes=yes)
    if as_json:
        console.print_json({"version": 1, "dry_run": dry_run, "operations": [one.as_json() for one in findings]})
    if not findings:
        console.say(f"{stack}: no interrupted operation is recorded")
    elif dry_run:
        raise typer.Exit(3)
