"""The flags and the help of `ringwall audit`; what it does is `cli.audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.flags.audit_export import export
from cli.options import AsJson, Debug, ProjectDir, complete_stack

app = typer.Typer(
    help="Prove, search, watch and export a guard's audit log.", no_args_is_help=True, rich_markup_mode=None
)
Log = Annotated[
    str,
    typer.Argument(
        metavar="SERVER|PATH",
        help="A server such as dev.github, whose log is on this machine, or a log file; rotated files are read too.",
        autocompletion=complete_stack,
        show_default=False,
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Also records of the log itself: opened, closed, signed.")]


@app.command()
def verify(
    log: Log,
    key: Annotated[
        Optional[list[Path]],  # noqa: UP045 - Typer reads it at run time
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="Public key (PEM) of the guard, kept off its host; repeat after a new key.",
            show_default=False,
        ),
    ] = None,
    anchors: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--anchors",
            metavar="FILE",
            help="Heads that the collector received, one JSON object a line.",
            show_default=False,
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check every record, the chain over all files, signed heads and anchors. Exit code 3 when anything is broken.

    The bare chain shows records changed, removed, moved or repeated. With --public-key, what was written without the signing
    key shows too, but for the records after the last head; with --anchors also a chain rewritten on the guard's host.
    """
    from cli.audit import verify as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(log, key=key, anchors=anchors)


@app.command()
def show(
    log: Log,
    principal: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="PRINCIPAL",
            help="Of one principal, such as person:SUB or agent:NAME.",
            show_default=False,
        ),
    ] = None,
    tool: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="About one tool, prompt or resource.", show_default=False),
    ] = None,
    decision: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="allow, block, redact, flag, refuse or error.", show_default=False),
    ] = None,
    reason: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="With one reason, such as not_granted.", show_default=False),
    ] = None,
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TIME", help="From this time on (ISO 8601; UTC unless it says).", show_default=False),
    ] = None,
    until: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TIME", help="Before this time.", show_default=False),
    ] = None,
    incident: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ID", help="The incident id a caller was told.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The newest so many.", min=1, max=1_000_000)] = 100,
    everything: Everything = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show records that match every option given, oldest first, times on your clock. `verify` proves them.

    With --incident also what would let pass exactly what was stopped: an exception to paste into the stack file, a key, or
    a command.
    """
    from cli.audit import show as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(
        log,
        principal=principal,
        tool=tool,
        decision=decision,
        reason=reason,
        since=since,
        until=until,
        incident=incident,
        limit=limit,
        everything=everything,
    )


@app.command()
def tail(
    log: Log,
    count: Annotated[
        int, typer.Option("-n", metavar="N", help="So many of the newest records first.", min=0, max=100_000)
    ] = 20,
    watch: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones, over rotations.")] = False,
    everything: Everything = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the newest records; with --follow each new one too, until Ctrl-C. --follow --json prints a record a line."""
    from cli.audit import tail as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(log, count=count, watch=watch, everything=everything)


app.command()(export)
