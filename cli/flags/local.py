"""The flags and the help of `ringwall local`; what it does is `cli.local`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Stack


def local(
    stack: Stack,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After --: the command that starts the server, if the guard does not.", show_default=False),
    ] = None,
    acting_as: Annotated[
        str | None,
        typer.Option(
            "--as", help="Whose grants count: an e-mail address or an agent; else the first the stack names.",
            metavar="WHO", show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port of the guard (its readiness is 1000 above); else the stack's.", min=1024, max=65535,
            show_default=False,
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Run the guard of one server on this machine, and the server behind it, until Ctrl-C.

    Grants, tool lock, limits and inspection are the stack's; nobody is verified, so it listens on loopback only. A
    server that is started here and listens beyond loopback is ended at once. It is started as on its host: a command behind
    a socket, in a home of its own, with no variable of your shell but PATH and your name.

    Example: ringwall local dev.tickets -- python tickets.py
    """
    from cli.local import local as work  # noqa: PLC0415 - 0.4 s of imports that --help and completion do without

    work(
        stack,
        command=command,
        acting_as=acting_as,
        port=port,
        debug=debug,
    )
