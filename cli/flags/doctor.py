"""The flags and the help of `ringwall doctor`; what it does is `cli.doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import AsJson, Debug, ProjectDir, Sandbox, complete_stack


def doctor(
    stack: Annotated[
        str | None,
        typer.Argument(
            metavar="STACK",
            help="An environment (dev), one server of it (dev.github) or a zone (zone.example); else all of them.",
            autocompletion=complete_stack,
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="The host (a key of the environment's hosts) that this machine is, if not the one of its own name.",
            show_default=False,
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nothing beyond this machine, and say what that leaves unknown.")
    ] = False,
    deadline: Annotated[
        float,
        duration(
            "--deadline",
            "60s",
            help="For everything together; what is not done then is an error.",
            least="1s",
            most="10m",
        ),
    ] = 60,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check what a deployment needs, and name the remedy of whatever is missing. Changes nothing.

    Engine and provider plugins; Cloudflare token (CLOUDFLARE_API_TOKEN), its permissions against those the plan needs,
    account, zone, team and the zone's bot settings, which stop clients unseen; Kong's Admin API (KONG_ADMIN_TOKEN),
    version, edition, plugins, Lua sandbox, access log and signing keys; issuers' keys and metadata; clocks; and on the
    origin host the guard, its secrets, whether the vendors' engines take them (each is asked about one harmless word), its
    log and the server behind it.

    With --sandbox, what a rehearsal needs: the engine and the files.

    Outside a project only the engine is checked. What could not be looked at is listed as skipped, with the reason. Exit
    code 3 when a check is an error.
    """
    from cli.doctor import doctor as work  # noqa: PLC0415 - 0.7 s of imports that --help and completion do without

    work(
        stack=stack,
        host=host,
        offline=offline,
        sandbox=sandbox,
        deadline=deadline,
        as_json=as_json,
    )
