"""The flags and the help of `ringwall demo`; what it does is `cli.demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug


def demo(
    keep_folder: Annotated[bool, typer.Option("--keep", help="Keep the project folder, and say where it is.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything/--no-everything", help="Also run on npm's server-everything, where Node is.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Folder for the log, the page and the data; else a new one.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
    as_json: AsJson = False,
) -> None:
    """Put four rings around a real MCP server on this machine, and try to get past them.

    A server that runs commands is found by scan, onboarded, deployed, called by a real client through the running guard
    (allowed, and refused in six ways); a model route is added, asked through its guard, and cut off when its budget ends;
    the audit log is proven, and all of it destroyed. Exit code 0 only if each step did what it says. Server, client, guards
    and Pulumi engine are real; Cloudflare, Kong and the model's provider are stand-ins, so that no account is needed. Ends
    with a table of the rings, and an HTML page.
    """
    from cli.demo import demo as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(keep_folder=keep_folder, everything=everything, out=out, as_json=as_json)
