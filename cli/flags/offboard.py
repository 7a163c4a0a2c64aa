"""The flags and the help of `ringwall offboard`; what it does is `cli.offboard`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Server, Yes


def offboard(
    server: Server,
    force: Annotated[
        bool, typer.Option("--force", help="With --yes: go on where nobody can tell whether it is deployed.")
    ] = False,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Remove a server's stack file and tool lock. Refuses while anything of it is deployed.

    One that was deployed before is looked for in the providers' own lists, by name and tag: what is left of it is named with
    the command that removes it.
    """
    from cli.offboard import offboard as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(
        server,
        force=force,
        yes=yes,
        as_json=as_json,
    )
