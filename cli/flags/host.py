"""The flags and the help of `ringwall host`; what it does is `cli.host`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack

app = typer.Typer(help="What origin hosts run, as files.", no_args_is_help=True)

Offline = Annotated[
    bool, typer.Option("--offline", help="Take what the stack files say, not what is deployed; no engine is asked.")
]


class HostFormat(StrEnum):
    """What runs the processes of a host."""

    systemd = "systemd"
    compose = "compose"
    kubernetes = "kubernetes"


@app.command()
def render(
    stack: Stack,
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where each host gets a folder.", show_default=False)
    ],
    format: Annotated[HostFormat, typer.Option("--format", help="What runs the processes.")] = HostFormat.systemd,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image",
            metavar="NAME=IMAGE",
            help="Containers: the image of ringwall, kong, cloudflared, pause, socat or ENV.SERVER; repeatable.",
            show_default=False,
        ),
    ] = None,
    db_less: Annotated[
        bool,
        typer.Option("--db-less", help="Hybrid topology: give each host's Kong its configuration as a file."),
    ] = False,
    offline: Offline = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write what the hosts of an environment run, or the host of one server: units or containers, users, settings.

    No secret is in it. Each host's README says what else the host needs.
    """
    from cli.host import render as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(stack, out, layout=format.value, images=image or [], db_less=db_less, offline=offline, sandbox=sandbox)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `render` wrote.", show_default=False)],
    placed: Annotated[
        Path | None,
        typer.Option(
            metavar="ROOT",
            help="On the host: also compare what install.sh placed below ROOT, and look for what the README asks for.",
            show_default=False,
        ),
    ] = None,
    offline: Offline = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say whether a host's files are the stack's, file by file. Exit code 3 where they are not."""
    from cli.host import check as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(folder, placed=placed, offline=offline, sandbox=sandbox)
