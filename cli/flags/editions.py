"""The flags and the help of `ringwall editions`; what it does is `cli.editions`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, complete_stack


def editions(
    stack: Annotated[
        str | None,
        typer.Argument(
            metavar="STACK",
            help="An environment, a server or a model route; without it the whole table.",
            show_default=False,
            autocompletion=complete_stack,
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show who enforces which protection in each edition of Kong, or what one stack uses.

    A number is the first version of Kong with that plugin. Offline. With STACK, what the environment's edition cannot
    enforce is an error that names what would.
    """
    from cli.editions import editions as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(stack, as_json=as_json)
