"""Loads a command when it is called.

A command's file of flags in `cli/flags/` is imported when it is named, its work when it is called; `--help` imports none.
"""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_group

from cli.commands import COMMANDS
from cli.presentation import GROUPS, Commands, in_one_style


class RootCommands(Commands):
    """Holds each command's name and help until it is called."""

    groups = GROUPS

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """The command with its arguments, options and help, as Typer makes it of its file of flags."""
    module = importlib.import_module(COMMANDS[name].module)
    root = typer.Typer(rich_markup_mode=None)
    group = getattr(module, "app", None)
    if group is None:
        root.command(name)(getattr(module, module.__name__.rpartition(".")[2]))
    else:
        root.add_typer(group, name=name, cls=Commands)
    return in_one_style(get_group(root).commands[name])
