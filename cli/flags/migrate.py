"""The flags and the help of `ringwall migrate`; what it does is `cli.migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 3 when a file is old.")] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Bring stack files and tool locks to the current version; comments and blank lines stay."""
    from cli.migrate import migrate as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(check=check, as_json=as_json)
