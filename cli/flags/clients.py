"""The flags and the help of `ringwall clients`; what it does is `cli.clients`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Yes, complete_client, complete_stack


def clients(
    server: Annotated[
        str,
        typer.Argument(
            metavar="ENV.SERVER",
            help="A server, such as dev.github.",
            autocompletion=complete_stack,
            show_default=False,
        ),
    ],
    client: Annotated[
        str | None,
        typer.Argument(
            metavar="CLIENT",
            help="A client, such as cursor; else all that may register.",
            autocompletion=complete_client,
            show_default=False,
        ),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Write the server into CLIENT's own settings file, and keep a copy.")
    ] = False,
    link_file: Annotated[
        Path | None, typer.Option("--link-file", help="With --link: this file instead.", show_default=False)
    ] = None,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show which clients may sign people in at a server, and the settings of each, ready to be pasted.

    Without --link nothing is written.
    """
    from cli.clients import clients as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(server, client, link=link, link_file=link_file, yes=yes, as_json=as_json)
