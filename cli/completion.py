"""What the shell completes after a command's name, answered without the command's own module where it is a stack."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from cli.options import ProjectDir, Stack


def stack_command(name: str) -> Any:
    """A command whose first argument is a stack, for the shell alone; its options are those of the real one."""
    app = typer.Typer()

    @app.command(name, cls=_StackCommand)
    def command(stack: Stack, project: ProjectDir = None) -> None:
        raise RuntimeError(f"{name} was called as the shell's stand-in of it: {stack}")

    return get_command(app)


class _StackCommand(TyperCommand):
    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Click asks a command for its options only; arguments answer for themselves (click/shell_completion.py)."""
        from cli.commands import load  # noqa: PLC0415 - the table of commands makes this one

        command = load(str(self.name))
        with command.make_context(self.name, [], ctx.parent, resilient_parsing=True) as real:
            return command.shell_complete(real, incomplete)
