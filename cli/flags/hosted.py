"""The flags and the help of `ringwall hosted`; what it does is `cli.hosted`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Yes, complete_stack

app = typer.Typer(help="Clients that run in their vendor's cloud.", no_args_is_help=True)


@app.command("refresh")
def refresh(
    environments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ENV", help="Environments; else all.", autocompletion=complete_stack, show_default=False
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare: exit code 3 where a file differs from the vendor's list.")
    ] = False,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare the addresses of hosted clients with the lists their vendors publish, and write what changed.

    Writes stack files alone, for a review in Git; `ringwall up ENV` brings them to the edge. Exit code 6 where a list could
    not be read or is not to be trusted: its client's addresses stay as they are.
    """
    from cli.hosted import refresh as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(list(environments or ()), check=check, yes=yes, as_json=as_json)
