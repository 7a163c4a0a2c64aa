"""The flags and the help of `ringwall init`; what it does is `cli.init`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.options import LOCAL_ADMIN, AsJson, Debug, ProjectDir, Yes


class Topology(StrEnum):
    colocated = "colocated"
    hybrid = "hybrid"
    central = "central"


def init(
    environment: Annotated[
        str, typer.Argument(metavar="ENV", help="Name of the environment, such as dev.", show_default=False)
    ],
    account_id: Annotated[str | None, typer.Option(help="Cloudflare account id.", show_default=False)] = None,
    zone: Annotated[str | None, typer.Option(help="Zone that holds the host names.", show_default=False)] = None,
    zone_id: Annotated[str | None, typer.Option(help="Cloudflare zone id.", show_default=False)] = None,
    team: Annotated[
        str | None, typer.Option(help="Zero Trust team: <team>.cloudflareaccess.com.", show_default=False)
    ] = None,
    country: Annotated[
        list[str] | None, typer.Option(help="Where people may come from (ISO code); repeatable.", show_default=False)
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="Origin host; repeatable.", show_default=False)] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="An agent that will get a service token; repeatable.", show_default=False),
    ] = None,
    kong_admin: Annotated[
        str | None,
        typer.Option(help=f"Kong Admin API (default when colocated: {LOCAL_ADMIN}).", show_default=False),
    ] = None,
    topology: Annotated[
        Topology | None,
        typer.Option(help="Where the gateway runs (default: colocated, with --production hybrid).", show_default=False),
    ] = None,
    production: Annotated[bool, typer.Option("--production", help="Protect it, and refuse colocated.")] = False,
    backend: Annotated[
        str | None,
        typer.Option(help="Where Pulumi keeps state (default: .ringwall/state of the project).", show_default=False),
    ] = None,
    secrets_provider: Annotated[
        str | None, typer.Option(help="A key service such as awskms://… (default: passphrase).", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Pulumi project name (default: ringwall); must be unique on a shared backend.", show_default=False
        ),
    ] = None,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make an environment, and a project around it where there is none. Asks for what no option says."""
    from cli.init import init as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(
        environment,
        account_id=account_id,
        zone=zone,
        zone_id=zone_id,
        team=team,
        country=country,
        host=host,
        agent=agent,
        kong_admin=kong_admin,
        topology=None if topology is None else topology.value,
        production=production,
        backend=backend,
        secrets_provider=secrets_provider,
        name=name,
        yes=yes,
        as_json=as_json,
    )
