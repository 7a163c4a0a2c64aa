"""The flags and the help of `ringwall lockdown`; what it does is `cli.lockdown`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Yes, complete_stack, set_stack

Closable = Annotated[
    str,
    typer.Argument(
        metavar="STACK",
        help="A server (dev.github), or an environment (dev) for all of its servers.",
        autocompletion=complete_stack,
        callback=set_stack,
        show_default=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Private key for guard bundles: sign and write each server's next bundle too.",
        show_default=False,
    ),
]
Bundles = Annotated[
    Path, typer.Option("--bundles", metavar="DIR", help="Folder of the bundles, named ENV.SERVER.guard.bundle.json.")
]
Wait = Annotated[
    float,
    duration(
        "--wait",
        "60s",
        help="How long the gateway and a guard here get to show what they have taken.",
        least="0s",
        most="10m",
    ),
]


def lockdown(
    stack: Closable,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Why, and who decided it; goes into the stack file.", show_default=False),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Open it again, as its stack file has it.")] = False,
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
    """EMERGENCY: close a server, or all servers of an environment, to everyone: edge, gateway and guard.

    Writes `lockdown` into the stack file, so that it survives the next `up` and is reviewed in Git. Then at once, at
    Cloudflare and Kong themselves, so that it needs neither the backend nor its passphrase: Access denies everyone and
    ends all sessions (CLOUDFLARE_API_TOKEN), Kong answers 503 (KONG_ADMIN_TOKEN), and the guard gets a configuration
    without grants (--key). A ring that is not known to be closed does not keep the next one open; the exit code is 1
    then, and the message names it. Run it again to go on. --lift goes the other way: guard, gateway, edge.
    """
    from cli.lockdown import lockdown as work  # noqa: PLC0415 - 0.8 s of imports that --help and completion do without

    work(
        stack,
        reason=reason,
        lift=lift,
        key=key,
        bundles=bundles,
        wait=wait,
        dry_run=dry_run,
        yes=yes,
        sandbox=sandbox,
        as_json=as_json,
    )
