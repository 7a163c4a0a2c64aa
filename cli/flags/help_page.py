"""The flags and the help of `ringwall help`; what it does is `cli.help_page`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Debug


def help_page(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="The command, such as up, or lock diff.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Show the help of a command, or of all."""
    from cli.help_page import help_page as work  # noqa: PLC0415 - 0.01 s of imports that --help and completion do without

    work(command or [])
