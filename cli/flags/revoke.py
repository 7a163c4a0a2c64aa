"""The flags and the help of `ringwall revoke`; what it does is `cli.revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.flags.lockdown import Bundles, KeyFile, Wait
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Yes, complete_stack


def revoke(
    principal: Annotated[
        str,
        typer.Argument(
            metavar="PRINCIPAL", help="person:EMAIL, person:SUB as guards log it, or agent:NAME.", show_default=False
        ),
    ],
    env: Annotated[
        str,
        typer.Option(
            "--env", metavar="ENV", help="The environment.", autocompletion=complete_stack, show_default=False
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, and who decided it; for the journal.", show_default=False)
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Let them in again, as the stack files have it.")] = False,
    sub: Annotated[
        str | None, typer.Option("--sub", help="person:EMAIL only: the sub that guards deny.", show_default=False)
    ] = None,
    key: KeyFile = None,
    bundles: Bundles = Path(),
    wait: Wait = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """EMERGENCY: put one person or agent out of every server of an environment at once, open streams too.

    At the edge, with CLOUDFLARE_API_TOKEN: a person's sessions end, an agent's service token is disabled. At the
    guards, with --key: the next bundle of each server denies them. Each step says how long after the start it took
    effect. Guards deny them until --lift; a person may sign in at Access again unless the identity provider or the
    stack file stops that. Exit code 1 names what does not hold yet; run it again to go on.
    """
    from cli.revoke import revoke as work  # noqa: PLC0415 - 0.9 s of imports that --help and completion do without

    work(
        principal,
        env,
        reason=reason,
        lift=lift,
        sub=sub,
        key=key,
        bundles=bundles,
        wait=wait,
        dry_run=dry_run,
        yes=yes,
        sandbox=sandbox,
        as_json=as_json,
    )
