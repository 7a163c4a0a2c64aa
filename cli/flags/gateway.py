"""The flags and the help of `ringwall gateway`; what it does is `cli.gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack

app = typer.Typer(help="What Kong holds for an environment, as a file.", no_args_is_help=True)


@app.command()
def export(
    stack: Stack,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it, else standard output.", show_default=False
        ),
    ] = None,
    db_less: Annotated[
        bool, typer.Option("--db-less", help="Write what Kong reads itself, for a node without a database.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Ask neither the engine nor the issuers: for a review, not for a gateway."),
    ] = False,
    without_keys: Annotated[
        bool,
        typer.Option("--without-keys", help="Leave the issuers' signing keys out: ask the engine alone, no issuer."),
    ] = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write everything that Kong needs for a stack as a decK file, equal to what `up` makes.

    An environment's file has its servers and model routes, too. No secret is in it: decK puts them in from its environment.
    """
    from cli.gateway import export as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(stack, out, db_less=db_less, offline=offline, without_keys=without_keys, sandbox=sandbox, as_json=as_json)
