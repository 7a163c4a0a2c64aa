"""`ringwall offboard`: removes a server's files."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from cli.target import real_target, sandbox_target
from engine.repair.leftovers import Remainder, planned_objects, prove
from engine.state import live_resources
from model.errors import EngineFailed, EngineMissing, InputError
from model.project import Project
from model.text import counted
from operations.project.server_files import require_stack
from operations.project.write import FileChange, apply


def offboard(
    server: str,
    *,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """What `ringwall offboard` does; its flags and help are in `cli.flags.offboard`."""
    project = current_project()
    require_stack(project, server)
    unknown = _refuse_live(project, server, forced=yes and force) or _refuse_left(project, server, forced=yes and force)
    files = [path for path in (project.stack_file(server), project.lock_file(server)) if path.is_file()]
    changes = [FileChange.removal(path) for path in files]
    if not console.ask(f"Remove {' and '.join(path.name for path in files)}?", yes=yes):
        console.note("nothing was removed")
        raise typer.Exit(1)
    apply(changes)
    if as_json:
        names = [str(path) for path in files]
        console.print_json({"version": 1, "stack": server, "removed": names, "deployed": None if unknown else False})
    for path in files:
        console.say(f"removed {path}")


def _refuse_live(project: Project, stack: str, *, forced: bool) -> bool:
    """Refuse a server that still has resources: without its file nobody could destroy them.

    Returns:
        True when it is unknown whether anything is deployed, and the user insisted.
    """
    sandbox = sandbox_target(project)
    rehearsed = live_resources(project, stack, sandbox) if sandbox.state_folder and sandbox.state_folder.is_dir() else 0
    if rehearsed:
        raise InputError(
            f"{stack} still has {rehearsed} resources deployed in the sandbox",
            file=project.stack_file(stack),
            remedy=f"run `ringwall destroy {stack} --sandbox` first",
        )
    try:
        count = live_resources(project, stack)
    except (EngineMissing, EngineFailed) as error:
        reason = str(error).splitlines()[0]
        if not forced:
            raise InputError(
                f"cannot tell whether {stack} is deployed: {reason}",
                file=project.stack_file(stack),
                remedy="correct that, or add --yes --force when you know that nothing of it is left",
            ) from None
        console.note(f"WARNING: not known whether {stack} is deployed: {reason}")
        return True
    if count:
        raise InputError(
            f"{stack} still has {counted(count, 'resource')} deployed",
            file=project.stack_file(stack),
            remedy=f"run `ringwall destroy {stack}` first",
        )
    return False


def _refuse_left(project: Project, stack: str, *, forced: bool) -> bool:
    """Refuse a server that was deployed once and of which the providers' lists still hold something.

    Returns:
        True when they could not be asked, and the user insisted.
    """
    if live_resources(project, stack) is None:  # the backend has never heard of it
        return False
    target, proof = real_target(project), Remainder()
    prove(target, stack, lambda: planned_objects(target, stack), proof)
    if proof.leftovers:
        raise InputError(
            f"the providers still hold {counted(len(proof.leftovers), 'object')} of {stack}, as said above",
            file=project.stack_file(stack),
            remedy="remove them first: without the file nobody knows what they belong to",
        )
    if proof.unproven and not forced:
        raise InputError(
            f"not known whether anything of {stack} is left: {proof.unproven[stack]}",
            file=project.stack_file(stack),
            remedy="correct that, or add --yes --force when you know that nothing of it is left",
        )
    return bool(proof.unproven)
