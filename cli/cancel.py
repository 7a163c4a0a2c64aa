from __future__ import annotations

from cli import console
from cli.options import Debug, ProjectDir, Sandbox, Stack, Yes
from cli.project import current_project
from cli.target import target_of
from engine.holder import on_file
from engine.locked import held
from engine.repair.pending import interrupted
from engine.workspace import workspace
from model.errors import EngineFailed, InputError


def cancel(
    stack: Stack, yes: Yes = False, sandbox: Sandbox = False, project: ProjectDir = None, debug: Debug = False
) -> None:
    """Release the lock of an update that was interrupted, after saying who holds it. A holder that still runs on this
    machine keeps it; `up`, `destroy` and `repair` release the lock of one that has ended here by themselves."""
    found = current_project()
    if stack not in found.stacks():
        raise InputError(f"there is no stack {stack}", file=found.stack_file(stack), remedy="see `ringwall list`")
    with target_of(found, sandbox=sandbox, plugins=False) as target:
        target.require_state()
        holders = on_file(target.backend, found.name, stack)
        if holders == []:
            console.say(f"{stack}: nobody holds its lock")
            return
        for one in holders or ():
            state = "has ended" if one.ended else "still runs" if one.local else "is on another machine"
            console.note(f"{stack}: held by {one}, which {state}")
        living = [str(one) for one in holders or () if one.local and not one.ended]
        if living:
            raise EngineFailed(held(stack, living))
        console.consent(f"Make sure that no update of {stack} is running. Release its lock?", yes=yes)
        with workspace(target, stack) as selected:
            selected.cancel()
        following = "repair" if interrupted(target, [stack]) else "up"
    console.say(f"{stack}: lock released; run `ringwall {following} {stack}`")
