"""`ringwall destroy`: takes a stack down, the servers of an environment first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import typer

from cli import console
from cli.project import current_project
from cli.reading import show_calls
from cli.report import print_runs, show_results
from cli.target import target_of
from engine import deploy
from engine.api_calls import Calls
from engine.checkpoint import recorded, recorded_stacks
from engine.estimate import calls_to_destroy, counted_calls
from engine.locate import require
from engine.protected import protected, refuse_protected
from engine.protected import unprotect as take_protection_off
from engine.repair import pending
from engine.repair.connectors import refuse_connected
from engine.repair.leftovers import Remainder, listed_objects, planned_objects, prove
from engine.run import Run, fail_on_error
from engine.workspace import Target
from model.errors import StateMissing


def destroy(
    stack: str,
    *,
    servers: bool,
    unprotect: bool,
    yes: bool,
    sandbox: bool,
) -> None:
    """What `ringwall destroy` does; its flags and help are in `cli.flags.destroy`."""
    project = current_project()
    require()
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        names = _present(target, stack, servers=servers)
    proof = Remainder()
    if not names:
        console.say(f"{stack} is not deployed: nothing to destroy")
        with target_of(project, sandbox=sandbox, plugins=False) as target:
            if _was_deployed(target, stack):
                prove(target, stack, lambda: planned_objects(target, stack), proof)
        _end([], proof)
        return
    with target_of(project, sandbox=sandbox) as target:
        with_file = [name for name in names if name in project.stacks()]
        repaired = pending.resolve_before(target, with_file, yes=yes)
        states = {name: recorded(target, name) for name in names}
        if not unprotect:
            refuse_protected(states)
        objects = {name: listed_objects(state) for name, state in states.items()}
        refuse_connected(target, objects)
        calls = {name: calls_to_destroy(state) for name, state in states.items()}
        show_calls(sum(calls.values(), Calls()), "destroying", sandbox=sandbox)
        target = counted_calls(target)
        runs: list[Run] = []
        console.consent(_question(states), yes=yes)
        for name in names:
            if protected(states[name]):
                take_protection_off(target, name)
            runs.append(deploy.destroy(target, name, calls[name]))
            if runs[-1].error:
                break
        for line in pending.delete_late_objects(target, repaired):
            console.note(line)
        for run in runs:
            if not run.error and objects[run.stack]:
                prove(target, run.stack, partial(objects.__getitem__, run.stack), proof)
    _end(runs, proof)


def _question(states: Mapping[str, dict[str, Any]]) -> str:
    held = ", ".join(name for state in states.values() for name in protected(state))
    return f"Destroy {', '.join(states)}{', with what is protected: ' if held else ''}{held}?"


def _end(runs: Sequence[Run], proof: Remainder) -> None:
    """Show results and leave with the code that says how far it is proven that nothing is left."""
    print_runs(runs, **proof.as_json())
    show_results(runs)
    fail_on_error(runs)
    if proof.exit_code:
        raise typer.Exit(proof.exit_code)


def _was_deployed(target: Target, stack: str) -> bool:
    """Whether the backend knows the stack and a file still says what it makes."""
    try:
        return stack in target.project.stacks() and stack in recorded_stacks(target)
    except StateMissing:
        return False


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
