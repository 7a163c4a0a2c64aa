"""The flags and the help of `ringwall verify`; what it does is `cli.verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.flags.durations import duration
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Server


def verify(
    server: Server,
    resolve: Annotated[
        list[str] | None,
        typer.Option(
            "--resolve",
            metavar="HOST=ADDR[:PORT]",
            help="Find this public name at that address; TLS is still verified for the name. May be repeated.",
            show_default=False,
        ),
    ] = None,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Plain HTTP to resolved names, loopback addresses only.")
    ] = False,
    on_host: Annotated[
        bool,
        typer.Option("--on-host", help="This is the origin host: try its ports on every non-loopback address of it."),
    ] = False,
    bearer: Annotated[
        str | None,
        typer.Option(
            "--bearer-token-env",
            metavar="NAME",
            help="Variable that holds an access token; a service token comes from CF_ACCESS_CLIENT_ID and "
            "CF_ACCESS_CLIENT_SECRET.",
            show_default=False,
        ),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="PRINCIPAL",
            help="Whose identity that is: agent:NAME or an e-mail address. Found by itself where it can be.",
            show_default=False,
        ),
    ] = None,
    expired: Annotated[
        Path | None,
        typer.Option(
            "--expired-token-file",
            metavar="FILE",
            help="A genuine token after its time, to be refused.",
            show_default=False,
        ),
    ] = None,
    sibling: Annotated[
        Path | None,
        typer.Option(
            "--sibling-token-file",
            metavar="FILE",
            help="A genuine token of another server, to be refused; else the service token is exchanged at one.",
            show_default=False,
        ),
    ] = None,
    planted: Annotated[
        str | None,
        typer.Option(
            "--planted",
            metavar="TOOL=JSON",
            help="A call whose result holds an instruction that you planted, to be blocked.",
            show_default=False,
        ),
    ] = None,
    register: Annotated[
        bool | None,
        typer.Option(
            "--register/--no-register",
            help="Register each client as it would itself, and remove it again. Without either: only in oauth mode "
            "access, as an external authorization server may keep what cannot be removed.",
            show_default=False,
        ),
    ] = None,
    guard_config: Annotated[
        Path | None,
        typer.Option(
            "--guard-config",
            metavar="FILE",
            help="The rendered guard configuration, instead of the backend's.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[float, duration("--timeout", "10s", help="For one request.", least="1s", most="2m")] = 10,
    strict: Annotated[bool, typer.Option("--strict", help="What was skipped fails too.")] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there too.", show_default=False)
    ] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Try on a deployed server what an attacker and a client would. Exit code 3 when a check fails.

    Without a token, with forged ones, with headers that lie about country and identity, past the public name, straight at
    the gateway's and the guard's port where this machine reaches them, and the whole way in of Claude Code, Cursor, VS Code,
    the Inspector, your own and hosted clients: by each one's user agents, and with its own registration. With an identity,
    also what somebody let in must not do. With CLOUDFLARE_API_TOKEN Cloudflare is asked about the logs that it pushes.
    What could not be tried is skipped with its reason and never counts as passed. Tokens are never printed.
    """
    from cli.verify import verify as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(
        server,
        resolve=resolve,
        insecure_http=insecure_http,
        on_host=on_host,
        bearer=bearer,
        principal=principal,
        expired=expired,
        sibling=sibling,
        planted=planted,
        register=register,
        guard_config=guard_config,
        timeout=timeout,
        strict=strict,
        junit=junit,
        sandbox=sandbox,
        as_json=as_json,
    )
