"""The flags and the help of `ringwall engine`; what it does is `cli.engine`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug, Yes

app = typer.Typer(help="The Pulumi engine that previews and applies.", no_args_is_help=True, rich_markup_mode=None)


class InstallMethod(StrEnum):
    auto = "auto"
    download = "download"
    build = "build"


@app.command()
def install(
    method: Annotated[
        InstallMethod,
        typer.Option(help="auto: one on PATH, else the official download, else a build of the pinned Go module."),
    ] = InstallMethod.auto,
    plugins: Annotated[bool, typer.Option("--plugins", help="Install the real provider plugins too.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Install the pinned engine into this user's cache folder, and with --plugins its provider plugins.

    In a clone of a project it also makes the `.venv` in which the plain pulumi CLI finds Ringwall, where there is none.
    """
    from cli.engine import install as work  # noqa: PLC0415 - 0.04 s of imports that --help and completion do without

    work(method=method.value, plugins=plugins, yes=yes, as_json=as_json)


@app.command()
def addons(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them, such as ~/.ringwall.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write what plain pulumi takes beside a project: Ringwall's policy pack, and its component package."""
    from cli.engine import addons as work  # noqa: PLC0415 - 0.04 s of imports that --help and completion do without

    work(folder, as_json=as_json)


@app.command()
def status(as_json: AsJson = False, debug: Debug = False) -> None:
    """Explain which engine is used and why, and which provider plugins are there."""
    from cli.engine import status as work  # noqa: PLC0415 - 0.04 s of imports that --help and completion do without

    work(as_json=as_json)
