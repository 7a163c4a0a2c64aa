"""The flags and the help of `ringwall status`; what it does is `cli.status`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox


def status(
    environment: Annotated[
        str | None, typer.Argument(metavar="ENV", help="One environment; else all.", show_default=False)
    ] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what of the files is deployed: resources in the backend, and whether an environment is the one in its file.

    The backend is asked once, however many servers there are. Providers and the stack itself count only where the backend
    is a service, whose own list has them. A stack whose recorded state cannot be read is listed as unknown, with its
    remedy; the exit code is 5 then.
    """
    from cli.status import status as work  # noqa: PLC0415 - 0.6 s of imports that --help and completion do without

    work(environment=environment, sandbox=sandbox, as_json=as_json)
