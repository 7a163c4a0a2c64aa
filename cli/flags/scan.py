"""The flags and the help of `ringwall scan`; what it does is `cli.scan`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import AsJson, Debug, ProjectDir


def scan(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Other machines to look at, each named: HOST:PORT, a URL, or a Unix socket's path; else this machine.",
            metavar="HOST:PORT",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        list[int] | None,
        typer.Option(help="Look at this port of this machine only; repeatable.", min=1, max=65535, show_default=False),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(help="One more path where an MCP endpoint may be; repeatable.", show_default=False),
    ] = None,
    timeout: Annotated[
        float, duration("--timeout", "10s", help="For one socket with all its paths.", least="1s", most="2m")
    ] = 10,
    deadline: Annotated[
        float, duration("--deadline", "2m", help="For everything together.", least="1s", most="1h")
    ] = 120,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit code 3 also for servers open on loopback and for ports that nobody can judge."
        ),
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find MCP servers that are bound beyond loopback or answer without authentication, and say how to onboard each.

    Looks at every listening TCP socket of this machine (IPv4 and IPv6; of a container's own only inside it), tries HTTP
    and TLS, then all four transports of MCP: HTTP+SSE of 2024-11-05, streamable HTTP with initialize and with
    server/discover, WebSocket. Paths tried: /mcp /sse / /mcp/ /ws /messages /api/mcp /mcp/sse, and each --path. A port
    gets a HEAD first and nothing more unless it speaks HTTP. Tools are listed and judged, never called.

    Exposed: other machines may call it without credentials. Open: every program of this machine may, and no other machine.
    The danger is the worst that its tools could do, for as many as may call them: an exposed server that can run commands is
    critical, an open one medium.

    Another machine is looked at only where it is named, 16 at most; ranges are refused. Scan only what is yours.

    Exit code 3 when a server is exposed, 6 when time ran out before every socket
    was looked at, else 0.
    """
    from cli.scan import scan as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(
        targets=targets,
        port=port,
        path=path,
        timeout=timeout,
        deadline=deadline,
        strict=strict,
        as_json=as_json,
    )
