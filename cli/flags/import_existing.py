"""The flags and the help of `ringwall import`; what it does is `cli.import_existing`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes
from engine.repair.kinds import Kind


def import_existing(
    stack: Stack,
    kind: Annotated[Kind, typer.Argument(help="What exists already.")],
    id: Annotated[
        str,
        typer.Argument(
            help="Its id, as Cloudflare's dashboard or Kong's Admin API shows it; of a target UPSTREAM/TARGET, "
            "of an acl ACL|CONSUMER, of a key KEY|CONSUMER."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Which one, where a stack has several of the kind: its name in the plan, or at the provider.",
            show_default=False,
        ),
    ] = None,
    hostname: Annotated[
        str | None, typer.Option(help="Which one: that of this public host name.", show_default=False)
    ] = None,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take over an object that exists at Cloudflare or Kong instead of making a second one.

    The engine reads it and compares it with the stack file. Where they differ the difference is shown and nothing is
    imported, so that taking over never changes what is running.
    """
    from cli.import_existing import import_existing as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(stack, kind, id, name=name, hostname=hostname, yes=yes, sandbox=sandbox)
