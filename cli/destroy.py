"""`ringwall destroy`: takes a stack down, the servers of an environment first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from cli import console
from cli.project import current_project
from cli.report import show_results
from cli.target import target_of
from engine import deploy
from engine.checkpoint import recorded, recorded_stacks
from engine.locate import require
from engine.repair import pending
from engine.repair.kinds import Inputs, Kind
from engine.repair.leftovers import Leftover, leftovers, listed_objects
from engine.run import Run, fail_on_error
from engine.workspace import Target
from model.errors import RingwallError, StateMissing

Objects = Sequence[tuple[Kind, Inputs]]


def destroy(
    stack: str,
    *,
    servers: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall destroy` does; its flags and help are in `cli.flags.destroy`."""
    project = current_project()
    require()
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        names = _present(target, stack, servers=servers)
    if not names:
        console.say(f"{stack} is not deployed: nothing to destroy")
        if as_json:
            console.print_json({"version": 1, "runs": [], "leftovers": [], "unproven": {}})
        return
    with target_of(project, sandbox=sandbox) as target:
        with_file = [name for name in names if name in project.stacks()]
        repaired = pending.resolve_before(target, with_file, yes=yes)
        objects = {name: listed_objects(recorded(target, name)) for name in names}
        runs: list[Run] = []
        console.consent(f"Destroy {', '.join(names)}?", yes=yes)
        for name in names:
            runs.append(deploy.destroy(target, name))
            if runs[-1].error:
                break
        for line in pending.delete_late_objects(target, repaired):
            console.note(line)
        remainder, unproven = _proof(target, [run for run in runs if not run.error], objects)
    if as_json:
        report = {"leftovers": [leftover.as_json() for leftover in remainder], "unproven": unproven}
        console.print_json({"version": 1, "runs": [run.as_json() for run in runs], **report})
    show_results(runs)
    for leftover in remainder:
        console.note(leftover.line)
    fail_on_error(runs)
    if remainder:
        raise typer.Exit(3)


def _proof(target: Target, runs: list[Run], objects: Mapping[str, Objects]) -> tuple[list[Leftover], dict[str, str]]:
    """What is still at the providers of the stacks that were destroyed; and the stacks that could not be asked for, why."""
    remainder: list[Leftover] = []
    unproven: dict[str, str] = {}
    for run in runs:
        if not objects[run.stack]:
            continue
        try:
            remainder += leftovers(target, run.stack, objects[run.stack])
        except RingwallError as error:
            unproven[run.stack] = error.summary
            console.note(f"{run.stack}: the providers were not asked whether anything is left: {error.summary}")
            continue
        if not any(leftover.stack == run.stack for leftover in remainder):
            console.note(f"{run.stack}: nothing is left, by the providers' own lists")
    return remainder, unproven


def _present(target: Target, stack: str, *, servers: bool) -> list[str]:
    """What is to be destroyed, in order: what the backend has of it, whether or not its file is still there.

    Raises:
        InputError: neither the backend nor the files know the stack, or an environment's servers are live.
    """
    try:
        stacks = recorded_stacks(target)
    except StateMissing:
        if stack in target.project.stacks():
            raise
        stacks = []
    if stack not in stacks and stack not in target.project.stacks():
        raise target.project.unknown(stack)
    names = list(deploy.live_servers(target, stack)) if servers and "." not in stack else []
    if not names:
        deploy.refuse_live_servers(target, stack)
    present = [name for name in (*names, stack) if name in stacks and _has_anything(recorded(target, name))]
    for name in present:
        if name not in target.project.stacks():
            console.note(f"{name} has no file any more; the backend's record of it is used")
    return present


def _has_anything(state: dict[str, Any]) -> bool:
    return bool(state.get("resources") or state.get("pending_operations"))
