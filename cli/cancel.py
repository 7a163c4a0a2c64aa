"""`ringwall cancel`: releases the lock of an interrupted update after saying who holds it."""

from __future__ import annotations

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.holder import on_file
from engine.locked import lock_refusal
from engine.repair.pending import interrupted
from engine.workspace import workspace
from model import effects
from model.errors import EngineFailed


def cancel(stack: str, *, yes: bool, sandbox: bool, as_json: bool) -> None:
    """What `ringwall cancel` does; its flags and help are in `cli.flags.cancel`."""
    project = current_project()
    if stack not in project.stacks():
        raise project.unknown(stack)
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        target.require_state()
        holders = on_file(target.backend, project.name, stack)
        if holders == []:
            if as_json:
                console.print_json({"version": 1, "stack": stack, "released": False, "holders": [], "next": None})
            console.say(f"{stack}: nobody holds its lock")
            return
        for holder in holders or ():
            state = "has ended" if holder.ended else "still runs" if holder.local else "is on another machine"
            console.note(f"{stack}: held by {holder}, which {state}")
        living = [str(holder) for holder in holders or () if holder.local and not holder.ended]
        if living:
            raise EngineFailed(lock_refusal(stack, living))
        console.consent(f"Make sure that no update of {stack} is running. Release its lock?", yes=yes)
        with workspace(target, stack) as selected:
            effects.record(lambda: f"the lock of {stack} was released")
            selected.cancel()
        following = "repair" if interrupted(target, [stack]) else "up"
    if as_json:
        names = [str(holder) for holder in holders or ()]
        command = f"ringwall {following} {stack}"
        console.print_json({"version": 1, "stack": stack, "released": True, "holders": names, "next": command})
    console.say(f"{stack}: lock released; run `ringwall {following} {stack}`")
