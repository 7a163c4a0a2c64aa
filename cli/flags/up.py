"""The flags and the help of `ringwall up`; what it does is `cli.up`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Refresh, Sandbox, Stack, Yes


def up(
    stack: Stack,
    target: Annotated[
        list[str], typer.Option("--target", help="Only this resource (URN); may be repeated.", show_default=False)
    ] = [],  # noqa: B006 - Typer copies it
    refresh: Refresh = True,
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help="Ask only the environment, and the servers whose plan changed since the last `up` from this folder.",
        ),
    ] = False,
    approve: Annotated[
        str | None,
        typer.Option(
            "--approve",
            metavar="WHAT",
            help="loosening: ask only when something loosens, or when that cannot be told.",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Bring a server up, or an environment and then all its servers.

    What is real is read first (`--no-refresh` skips that), so what somebody changed at Cloudflare or Kong is put back; a
    stack that is as its file says and as it was left is not run.

    Asks before it applies. --yes never asks; --approve loosening asks when the files let somebody or something in that what
    is deployed does not, and whenever the two cannot be compared: the first time on a machine, after another machine's `up`,
    and where what is real is not as it was recorded.
    """
    from cli.up import up as work  # noqa: PLC0415 - 0.8 s of imports that --help and completion do without

    work(stack, target=target, refresh=refresh, changed=changed, approve=approve, yes=yes, sandbox=sandbox)
