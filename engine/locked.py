"""Engine calls that take a stack's lock.

A lock that a killed process of this machine left is released; the holder of any other lock is named in the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from engine.holder import all_ended, holders, on_file
from engine.progress import Note
from engine.workspace import Target
from model.errors import EngineFailed

if TYPE_CHECKING:
    from pulumi.automation import Stack

T = TypeVar("T")


def with_lock(selected: Stack, stack: str, call: Callable[[], T], note: Note) -> T:
    """Run an engine call that takes the lock; `CommandError` passes through. `note` is told of a lock that was
    released.

    Raises:
        EngineFailed: another process holds it, or may.
    """
    from pulumi.automation.errors import ConcurrentUpdateError

    try:
        return call()
    except ConcurrentUpdateError as error:
        held_by = holders(str(error))
        if not all_ended(held_by):
            raise EngineFailed(lock_refusal(stack, [str(holder) for holder in held_by])) from None
        note(f"{stack}: released the lock of {'; '.join(map(str, held_by))}: that process has ended")
    selected.cancel()
    try:
        return call()
    except ConcurrentUpdateError as error:
        raise EngineFailed(lock_refusal(stack, [str(holder) for holder in holders(str(error))])) from None


def refuse_running(target: Target, stacks: Sequence[str]) -> None:
    """Refuse stacks that another process is changing, before their half-made state is read.

    Only a state folder shows it beforehand; with any other backend the engine says it when it takes the lock.

    Raises:
        EngineFailed: it is, or may be, still running.
    """
    for stack in stacks:
        held_by = on_file(target.backend, target.project.name, stack) or []
        if held_by and not all_ended(held_by):
            raise EngineFailed(lock_refusal(stack, [str(holder) for holder in held_by]))


def lock_refusal(stack: str, names: list[str]) -> str:
    """The error for a stack whose lock is held: by whom, and what to do."""
    holder = "; ".join(names) or "the backend names no holder"
    return (
        f"another update of {stack} is running ({holder}); wait until it ends, or, if it was interrupted on another "
        f"machine, run `ringwall cancel {stack}`"
    )
