"""The flags and the help of `ringwall drift`; what it does is `cli.drift`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack


def drift(
    stack: Stack,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="SOURCE",
            help="Look at this alone: engine, gateway, keys, guard or server. May be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_unreachable: Annotated[
        bool, typer.Option("--allow-unreachable", help="What could not be looked at is shown and fails nothing.")
    ] = False,
    guard_url: Annotated[
        str | None,
        typer.Option(
            "--guard-url",
            metavar="URL",
            help="Where the guard's /readyz is reached from here; else on this machine. One server only.",
            show_default=False,
        ),
    ] = None,
    on_host: Annotated[
        bool,
        typer.Option("--on-host", help="This is the origin host: a server that is a command is started and asked."),
    ] = False,
    timeout: Annotated[
        float, duration("--timeout", "10s", help="How long a guard or server has to answer.", least="1s", most="5m")
    ] = 10,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare what is recorded, what is real and what the files say. Nothing is touched. Exit code 3 where they differ.

    Looks at the engine's resources (refresh and preview, neither recorded), the gateway's live configuration, the
    issuers' keys there, the bundle in force at the guard, and the server's live tools against the lock. What cannot be
    looked at from here is shown as unreachable: exit code 6, unless drift was found or --allow-unreachable is given. Each
    row says what puts it right.

    With --sandbox the engine's resources alone are compared: there is no gateway, issuer, guard or server to ask, and it
    says so. --only asks one all the same.
    """
    from cli.drift import drift as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(
        stack,
        only=only,
        allow_unreachable=allow_unreachable,
        guard_url=guard_url,
        on_host=on_host,
        timeout=timeout,
        sandbox=sandbox,
        as_json=as_json,
    )
