"""What the shell completes after a command's name, answered without the command's own module where it is a stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from cli.options import ProjectDir, Stack


def stack_command(name: str, load: Callable[[str], Any]) -> Any:
    """A command whose first argument is a stack, for the shell alone; its options are those of the one that `load` gives."""
    app = typer.Typer()

    @app.command(name, cls=_StackCommand)
    def command(stack: Stack, project: ProjectDir = None) -> None:
        raise RuntimeError(f"{name} was called as the shell's stand-in of it: {stack}")

    stand_in = get_command(app)
    stand_in.load = load  # type: ignore[attr-defined]
    return stand_in


class _StackCommand(TyperCommand):
    load: Callable[[str], Any]

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Click asks a command for its options only; arguments answer for themselves (click/shell_completion.py)."""
        command = self.load(str(self.name))
        with command.make_context(self.name, [], ctx.parent, resilient_parsing=True) as real:
            return command.shell_complete(real, incomplete)
