"""The flags and the help of `ringwall outputs`; what it does is `cli.outputs`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack


def outputs(
    stack: Stack,
    name: Annotated[str | None, typer.Argument(help="One output, printed as it is.", show_default=False)] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a deployed stack exports; secrets stay masked (see `ringwall agents show ENV --reveal`)."""
    from cli.outputs import outputs as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        stack,
        name=name,
        sandbox=sandbox,
        as_json=as_json,
    )
