"""The flags and the help of `ringwall lock`; what it does is `cli.lock`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import Accept, AsJson, Debug, ProjectDir, Server, Yes

app = typer.Typer(
    help="Tool locks: what servers may offer, pinned in Git.", no_args_is_help=True, rich_markup_mode=None
)
Timeout = Annotated[
    float, duration("--timeout", "10s", help="How long the server has to answer everything.", least="1s", most="5m")
]

ClientCapabilities = Annotated[
    str | None,
    typer.Option(
        help="What the asking client announces: elicitation,roots,sampling or some, or none (default: as the lock says).",
        show_default=False,
    ),
]

ParameterChoices = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="TOOL:/ARGUMENT=KIND",
        help="Say what an argument is: text, url, local_url, command, query or path; repeatable.",
        show_default=False,
    ),
]


@app.command()
def diff(
    server: Server,
    timeout: Timeout = 10,
    client_capabilities: ClientCapabilities = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show how the running server differs from its lock. Exit code 3 when it does."""
    from cli.lock import diff as work  # noqa: PLC0415 - 0.9 s of imports that --help and completion do without

    work(server, timeout=timeout, client_capabilities=client_capabilities)


@app.command()
def approve(
    server: Server,
    timeout: Timeout = 10,
    client_capabilities: ClientCapabilities = None,
    accept: Accept = None,
    parameter: ParameterChoices = None,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take what the running server offers now into its lock: from then on the guard lets it pass."""
    from cli.lock import approve as work  # noqa: PLC0415 - 0.9 s of imports that --help and completion do without

    work(
        server,
        timeout=timeout,
        client_capabilities=client_capabilities,
        accept=list(accept or ()),
        parameter=list(parameter or ()),
        yes=yes,
    )
