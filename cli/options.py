"""Options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from cli import invocation
from cli.invocation import Invocation
from cli.stack_names import stack_names

#: Where Kong's Admin API is on a host of its own, and the default of `init` for a gateway beside its servers.
LOCAL_ADMIN = "http://127.0.0.1:8001"


def complete_stack(incomplete: str) -> list[str]:
    return [name for name in stack_names(invocation.current().project or Path.cwd()) if name.startswith(incomplete)]


def complete_client(incomplete: str) -> list[str]:
    from model.known_clients import KNOWN_CLIENTS  # noqa: PLC0415 - 0.01 s, and only completion reads the table

    return [name for name in KNOWN_CLIENTS if name.startswith(incomplete)]


def _set_project(context: typer.Context, value: Path | None) -> Path | None:
    if value is not None:
        context.ensure_object(Invocation).project = value
    return value


def _set_debug(context: typer.Context, value: bool) -> bool:
    context.ensure_object(Invocation).debug |= value
    return value


def _set_json(context: typer.Context, value: bool) -> bool:
    context.ensure_object(Invocation).json |= value
    return value


def _set_sandbox(context: typer.Context, value: bool) -> bool:
    options = context.ensure_object(Invocation)
    if value and not options.sandbox and not context.resilient_parsing:
        options.sandbox = True
        print("rehearsal: stand-in Cloudflare and Kong on this machine, nothing real is touched", file=sys.stderr)
    return value


def _refuse_sandbox(value: bool) -> bool:
    if value:
        raise typer.BadParameter(
            "this works on what is real, for which the sandbox has no stand-in; leave it out, or unset RINGWALL_SANDBOX"
        )
    return value


def set_stack(context: typer.Context, value: str) -> str:
    context.ensure_object(Invocation).stack = value
    return value


ProjectDir = Annotated[
    Optional[Path],  # noqa: UP045 - Typer reads it at run time
    typer.Option(
        "--project",
        metavar="DIR",
        help="Folder that holds Pulumi.yaml; else this folder or the nearest above it.",
        envvar="RINGWALL_PROJECT",
        callback=_set_project,
        is_eager=True,
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the trace of an error.", callback=_set_debug, is_eager=True)]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output.", callback=_set_json, is_eager=True)
]
Refresh = Annotated[
    bool,
    typer.Option(
        "--refresh/--no-refresh", help="Read what is real first, so that what was changed outside is put back, too."
    ),
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:RULE]",
        help="Accept the guard's finding RULE in the definition NAME, or all findings in it; repeatable.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Sandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Use stand-in Cloudflare and Kong providers on this machine: no account, nothing real is touched.",
        envvar="RINGWALL_SANDBOX",
        callback=_set_sandbox,
        is_eager=True,
    ),
]
#: Of a command that reaches what the sandbox has no stand-in for: in a shell for rehearsals it refuses.
NoSandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Refused: this works on what is real.",
        hidden=True,
        envvar="RINGWALL_SANDBOX",
        callback=_refuse_sandbox,
    ),
]
Stack = Annotated[
    str,
    typer.Argument(
        metavar="STACK",
        help="An environment (dev), one server or model route of it (dev.github) or a zone (zone.example).",
        autocompletion=complete_stack,
        callback=set_stack,
        show_default=False,
    ),
]
Environment = Annotated[
    str,
    typer.Argument(
        metavar="ENV",
        help="An environment, such as dev.",
        autocompletion=complete_stack,
        callback=set_stack,
        show_default=False,
    ),
]
Server = Annotated[
    str,
    typer.Argument(
        metavar="ENV.SERVER",
        help="A server, such as dev.github.",
        autocompletion=complete_stack,
        callback=set_stack,
        show_default=False,
    ),
]
