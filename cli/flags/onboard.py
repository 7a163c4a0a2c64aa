"""The flags and the help of `ringwall onboard`; what it does is `cli.onboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import Accept, AsJson, Debug, ProjectDir, Yes, complete_client


def onboard(
    server: Annotated[
        str,
        typer.Argument(
            metavar="ENV.SERVER", help="Its name: dev.github, or github with --env dev.", show_default=False
        ),
    ],
    env: Annotated[
        str | None,
        typer.Option("--env", metavar="ENV", help="Environment it belongs to.", show_default=False),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Streamable HTTP: http://127.0.0.1:PORT/mcp.", show_default=False)
    ] = None,
    socket: Annotated[str | None, typer.Option(help="Streamable HTTP on a Unix socket.", show_default=False)] = None,
    path: Annotated[
        str | None, typer.Option(help="MCP endpoint behind --socket (default: /mcp).", show_default=False)
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="stdio: the command line that starts it.", show_default=False)
    ] = None,
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="stdio: a variable the command needs, kept as a reference; repeatable.",
            show_default=False,
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            help="A header in which the server takes its key, such as X-Api-Key=DESK_KEY or "
            "'Authorization=Bearer DESK_KEY': the key stands in that variable, kept as a reference; repeatable.",
            metavar="NAME=VARIABLE",
            show_default=False,
        ),
    ] = None,
    client_capabilities: Annotated[
        str | None,
        typer.Option(
            help="What the asking client announces, for which some servers offer more: elicitation,roots,sampling.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Host it runs on (default: the only one).", show_default=False)
    ] = None,
    hostname: Annotated[
        str | None,
        typer.Option(
            help="Public name (default: SERVER.ZONE, outside production ENV-SERVER.ZONE).", show_default=False
        ),
    ] = None,
    guard_port: Annotated[
        int | None,
        typer.Option(help="Loopback port of its guard (default: the first free one from 9010).", show_default=False),
    ] = None,
    people: Annotated[
        list[str] | None, typer.Option(help="E-mail address of who may reach it; repeatable.", show_default=False)
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="Everyone with an address in this domain.", show_default=False)
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group of the environment.", show_default=False)] = None,
    agent: Annotated[list[str] | None, typer.Option(help="An agent of the environment.", show_default=False)] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(
            help="A client that may register to sign people in; repeatable (default: claude-code, cursor and vscode).",
            autocompletion=complete_client,
            show_default=False,
        ),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLIENT",
            help="Write the server into this client's own settings file too, and keep a copy; repeatable.",
            autocompletion=complete_client,
            show_default=False,
        ),
    ] = None,
    link_file: Annotated[
        Path | None, typer.Option("--link-file", help="With --link: this file instead.", show_default=False)
    ] = None,
    timeout: Annotated[
        float, duration("--timeout", "10s", help="How long the server has to answer everything.", least="1s", most="5m")
    ] = 10,
    allow_exposed: Annotated[
        bool, typer.Option("--allow-exposed", help="Only warn when the server is bound beyond loopback.")
    ] = False,
    accept: Accept = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and write nothing.")] = False,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Connect to a running server, look at its socket and tools, and write its stack file and tool lock.

    For a server that has them already: show what it changed, and write nothing. Exit code 3 when it changed.
    """
    from cli.onboard import onboard as work  # noqa: PLC0415 - 1.0 s of imports that --help and completion do without

    work(
        server,
        env,
        url=url,
        socket=socket,
        path=path,
        command=command,
        pass_env=pass_env,
        header=header,
        client_capabilities=client_capabilities,
        host=host,
        hostname=hostname,
        guard_port=guard_port,
        people=people,
        domain=domain,
        group=group,
        agent=agent,
        client=client,
        link=link,
        link_file=link_file,
        timeout=timeout,
        allow_exposed=allow_exposed,
        accept=list(accept or ()),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
