"""`ringwall verify`: tries on a deployed server what an attacker and a client would, and shows the report."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

import typer

from cli import console
from cli.paragraphs import folded, on_terminal
from cli.project import current_project
from cli.target import target_of
from model.errors import InputError
from model.project import load_environment
from operations.output_file import write_output
from operations.project.server_files import require_server, split_stack
from operations.verify.client import Client, parse_resolve
from operations.verify.context import VerifyContext
from operations.verify.report import ProbeRecord, VerificationReport
from operations.verify.run import verify as run
from operations.verify.setup import callers, deployed_config, planted_call, subject_of, token_in


def verify(
    server: str,
    *,
    resolve: list[str] | None,
    insecure_http: bool,
    on_host: bool,
    bearer: str | None,
    principal: str | None,
    expired: Path | None,
    sibling: Path | None,
    planted: str | None,
    register: bool | None,
    guard_config: Path | None,
    timeout: float,
    strict: bool,
    junit: Path | None,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall verify` does; its flags and help are in `cli.flags.verify`."""
    if sandbox:
        raise InputError(
            "nothing of a rehearsal answers at a public name, so there is nothing to try",
            key="--sandbox",
            remedy=f"leave it out and unset RINGWALL_SANDBOX, or see what is rehearsed by `ringwall plan {server}`",
        )
    project = current_project()
    require_server(project, server)
    environment, name = split_stack(server)
    settings = load_environment(project, environment)
    with target_of(project, sandbox=False, plugins=False) as target:
        deployed = deployed_config(project, server, guard_config, target)
    subject = subject_of(settings, settings.servers[name], deployed)
    caller, sibling_caller = callers(subject, bearer, principal)
    resolved = parse_resolve(resolve or [])
    known = {door.hostname for door in subject.doors} | set(subject.siblings)
    known |= {subject.portal.door.hostname} if subject.portal else set()
    for host in resolved:
        if insecure_http and host not in known:
            raise InputError(
                f"{host} is no public name of {environment}", key="--resolve", remedy=f"use {', '.join(sorted(known))}"
            )

    async def run_checks() -> VerificationReport:
        async with Client(resolved, insecure_http=insecure_http, timeout=timeout) as client:
            context = VerifyContext(
                subject,
                client,
                caller=caller,
                second_caller=sibling_caller,
                expired=token_in(expired, "--expired-token-file"),
                sibling=token_in(sibling, "--sibling-token-file"),
                planted=planted_call(planted),
                register=subject.mode == "access" if register is None else register,
                on_host=on_host,
            )
            return await run(context, console.note)

    report = asyncio.run(run_checks())
    show(report, as_json=as_json)
    if junit is not None:
        write_output(junit, report.junit(strict=strict))
    if code := report.exit_code(strict=strict):
        raise typer.Exit(code)


def show(report: VerificationReport, *, as_json: bool) -> None:
    """The table of what was tried, with remedies below it, and each reason for a skip once; or the one JSON document."""
    if as_json:
        console.print_json(report.as_json())
        return
    _say_tried(report)
    for check in report.checks:
        if check.outcome == "fail":
            console.say()
            _say(f"{check.id} on {check.target}", f"expected: {check.expected}", f"remedy: {check.remedy}")
    for (reason, remedy), checks in report.skips().items():
        console.say()
        heading = f"skipped{f' {len(checks)} checks' if len(checks) > 1 else ''}: {reason}"
        _say(heading, _names(checks), *([f"remedy: {remedy}"] if remedy else []))
    console.say()
    for note in report.notes:
        console.note(f"note: {note}")
    console.say(report.summary)


def _say_tried(report: VerificationReport) -> None:
    """What was tried: for a terminal below each name, with what was seen in a column of its own; for a pipe with tabs."""
    if not on_terminal():
        console.table(["", "check", "on", "seen"], report.rows())
        return
    wide = max((len(check.id) for check in report.tried), default=0)
    target = ""
    for outcome, id_, on, observation in report.rows():
        if on != target:
            console.say(f"{report.stack} at {on}")
            target = on
        room = max(console.width() - wide - 8, 20)
        first, *continuation = textwrap.wrap(observation, room, break_long_words=False, break_on_hyphens=False) or [""]
        console.say(f"{console.coloured(outcome)}  {id_:<{wide}}  {first}".rstrip())
        for line in continuation:
            console.say(" " * (wide + 8) + line)


def _names(checks: tuple[ProbeRecord, ...]) -> str:
    by_target: dict[str, list[str]] = {}
    for check in checks:
        by_target.setdefault(check.target, []).append(check.id)
    return "; ".join(f"{', '.join(ids)} on {target}" for target, ids in by_target.items())


def _say(heading: str, *details: str) -> None:
    """A heading with details indented below it."""
    for indent, text in (("", heading), *(("  ", detail) for detail in details)):
        console.say(folded(text, indent))
