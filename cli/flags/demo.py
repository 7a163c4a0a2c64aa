"""The flags and the help of `ringwall demo`; what it does is `cli.demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug


def demo(
    keep_folder: Annotated[bool, typer.Option("--keep", help="Keep the project folder, and say where it is.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything/--no-everything", help="Also run on npm's server-everything, where Node is.")
    ] = True,
    debug: Debug = False,
    as_json: AsJson = False,
) -> None:
    """Put four rings around real MCP servers on this machine: onboard, plan, preview, up, up again, destroy.

    The servers and the Pulumi engine are real; Cloudflare and Kong are stand-ins, so that no account is needed.
    """
    from cli.demo import demo as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(keep_folder=keep_folder, everything=everything, as_json=as_json)
