"""The Automation API's `Stack` without the engine processes that nobody needs: each takes a quarter of a second, and an
environment has many stacks. Imports Pulumi, so it is imported where an engine runs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pulumi.automation import LocalWorkspace, OutputMap, Stack, UpdateSummary
from pulumi.automation.errors import StackNotFoundError

from model.errors import NoSuchStack


class OpenedStack(Stack):
    """A stack that is there. Every call of the engine names it, so it is not selected, which takes a process."""

    def __init__(self, name: str, workspace: LocalWorkspace) -> None:
        self.name, self.workspace = name, workspace


class RunStack(OpenedStack):
    """A stack that is only run: what came of it is in the engine's events.

    `Stack.up`, `refresh` and `destroy` ask for outputs and history afterwards, secrets in clear, in three processes.
    """

    def outputs(self) -> OutputMap:
        return {}

    def info(self, show_secrets: Any = True) -> UpdateSummary:
        return UpdateSummary("", datetime.now(UTC), "", {}, {}, "not asked")


def opened_stack(name: str, workspace: LocalWorkspace, *, is_held: bool | None, create: bool, results: bool) -> Stack:
    """The stack of this name.

    Args:
        is_held: whether the backend has it; None where the engine must be asked.
        create: make it where it is not there.
        results: whether outputs and history are wanted after a run.

    Raises:
        NoSuchStack: it is not there, and `create` is false.
        CommandError: the engine refuses.
    """
    if is_held is None:
        try:
            workspace.select_stack(name)
            is_held = True
        except StackNotFoundError:
            is_held = False
    if not is_held:
        if not create:
            raise NoSuchStack(f"stack {name} does not exist in the backend", remedy=f"run `ringwall up {name}` first")
        workspace.create_stack(name)
    return (OpenedStack if results else RunStack)(name, workspace)
