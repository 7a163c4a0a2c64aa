"""The flags and the help of `ringwall adopt`; what it does is `cli.adopt`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import Accept, AsJson, Debug, ProjectDir, Sandbox, Yes, complete_stack


def adopt(
    env: Annotated[
        str, typer.Argument(metavar="ENV", help="The environment, which is up.", autocompletion=complete_stack)
    ],
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVER",
            help="The server that it becomes; without it, what could be adopted is listed.",
            show_default=False,
        ),
    ] = None,
    hostname: Annotated[
        str | None,
        typer.Option(
            help="The public name it has (default: the stack file's, else SERVER.ZONE or ENV-SERVER.ZONE).",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Where the server is (default: where Kong or the tunnel leads to).", show_default=False),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Host it runs on (default: the only one).", show_default=False)
    ] = None,
    guard_port: Annotated[
        int | None,
        typer.Option(help="Loopback port of its guard (default: the first free one from 9010).", show_default=False),
    ] = None,
    timeout: Annotated[
        float, duration("--timeout", "10s", help="How long the server has to answer everything.", least="1s", most="5m")
    ] = 10,
    allow_exposed: Annotated[
        bool, typer.Option("--allow-exposed", help="Only warn when the server is bound beyond loopback.")
    ] = False,
    accept: Accept = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the file and what the first `up` changes, and write nothing.")
    ] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take a set-up over that exists for a host name: Access application, tunnel, DNS name, Kong service and route.

    Reads it, writes the server's stack file and tool lock where there are none, records the objects as they are, and says
    what the first `up` changes. What no stack file says, such as a bypass policy or a shared tunnel, is named, and then
    nothing is written.
    """
    from cli.adopt import adopt as work  # noqa: PLC0415 - 1.0 s of imports that --help and completion do without

    work(
        env,
        server,
        hostname=hostname,
        url=url,
        host=host,
        guard_port=guard_port,
        timeout=timeout,
        allow_exposed=allow_exposed,
        accept=list(accept or ()),
        dry_run=dry_run,
        yes=yes,
        sandbox=sandbox,
        as_json=as_json,
    )
