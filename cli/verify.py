from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, _complete_stack
from cli.project import current_project
from cli.target import target_of
from model.errors import InputError
from model.project import load_environment
from operations.project.server_files import require_stack, split_stack
from operations.verify.client import Client, parse_resolve
from operations.verify.context import Context
from operations.verify.report import Report
from operations.verify.run import verify as run
from operations.verify.setup import callers, deployed_config, planted_call, subject_of, token_in


def verify(
    server: Annotated[
        str,
        typer.Argument(
            metavar="ENV.SERVER",
            help="A server, such as dev.github.",
            autocompletion=_complete_stack,
            show_default=False,
        ),
    ],
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
    who: Annotated[
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
        typer.Option("--expired-token-file", help="A genuine token after its time, to be refused.", show_default=False),
    ] = None,
    sibling: Annotated[
        Path | None,
        typer.Option(
            "--sibling-token-file",
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
        bool, typer.Option("--register", help="Try dynamic client registration too; it leaves a client behind.")
    ] = False,
    guard_config: Annotated[
        Path | None,
        typer.Option(
            "--guard-config", help="The rendered guard configuration, instead of the backend's.", show_default=False
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one request.", min=1, max=120)] = 10,
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
    the gateway's and the guard's port where this machine reaches them, and by discovery as Claude, Cursor, VS Code and the
    Inspector do it. With an identity, also what somebody let in must not do.
    What could not be tried is skipped with its reason and never counts as passed. Tokens are never printed.
    """
    found = current_project()
    require_stack(found, server)
    environment, name = split_stack(server)
    settings = load_environment(found, environment)
    with target_of(found, sandbox=sandbox, plugins=False) as target:
        deployed = deployed_config(found, server, guard_config, target)
    subject = subject_of(settings, settings.servers[name], deployed)
    caller, other = callers(subject, bearer, who)
    resolved = parse_resolve(resolve or [])
    known = {door.hostname for door in subject.doors} | set(subject.siblings)
    for host in resolved:
        if insecure_http and host not in known:
            raise InputError(
                f"{host} is no public name of {environment}", key="--resolve", remedy=f"use {', '.join(sorted(known))}"
            )

    async def go() -> Report:
        async with Client(resolved, insecure_http=insecure_http, timeout=timeout) as client:
            context = Context(
                subject,
                client,
                caller=caller,
                second_caller=other,
                expired=token_in(expired, "--expired-token-file"),
                sibling=token_in(sibling, "--sibling-token-file"),
                planted=planted_call(planted),
                register=register,
                on_host=on_host,
            )
            return await run(context, console.note)

    report = asyncio.run(go())
    show(report, as_json=as_json)
    if junit is not None:
        try:
            junit.write_text(report.junit(strict=strict), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", file=junit, remedy="name another file") from None
    if code := report.exit_code(strict=strict):
        raise typer.Exit(code)


def show(report: Report, *, as_json: bool) -> None:
    """The table with the remedies of what failed below it, or the one JSON document."""
    if as_json:
        console.print_json(report.as_json())
        return
    console.table(["", "check", "on", "expected", "seen"], report.rows())
    for check in report.checks:
        if check.outcome == "fail":
            console.say(f"{check.id} on {check.target}: {check.remedy}")
    for note in report.notes:
        console.note(f"note: {note}")
    console.say(report.summary)
