"""Onboarding a server that has its stack file already: its offer is compared with the tool lock.

`meet`, which looks at the socket and asks for the offer, serves the first onboarding of a server too.
"""

from __future__ import annotations

from typing import Any

import typer

from cli import console, state
from cli.acceptance import review
from cli.lock import report
from model.errors import InputError
from model.project import Project
from model.server import Origin
from model.tool_lock import to_yaml
from operations.onboard import origins
from operations.onboard.lock import build_lock
from operations.onboard.offer import ask_server, compared, concern_lines
from operations.onboard.risk import examine
from operations.project.server_files import read_server
from operations.project.staging import load_staged
from operations.project.write import FileChange, apply
from operations.sockets import Exposure


def meet(origin: Origin, timeout: float, allow_exposed: bool) -> tuple[Exposure | None, list[str], Any]:
    """Look at the server's socket, warn of what is wrong with it, and ask the server what it offers."""
    exposure = origins.listener_of(origin)
    warnings = origins.judge(origin, exposure, allow_exposed=allow_exposed)
    for warning in warnings:
        console.note(f"WARNING: {warning}")
    with console.working("asking the server what it offers"):
        return exposure, warnings, ask_server(origin, timeout)


def compare_existing(
    project: Project,
    stack: str,
    origin_flags: dict[str, Any] | None,
    *,
    timeout: float,
    allow_exposed: bool,
    accept: list[str],
    dry_run: bool,
    yes: bool,
) -> None:
    """Compare what the server offers with its tool lock, and write nothing but a lock that does not exist."""
    files = read_server(project, stack)
    origin = origins.check(origin_flags) if origin_flags is not None else files.origin
    if files.origin != origin:
        raise files.document.error(
            ("config", "ringwall:server", "origin"),
            "is another origin than the one named now",
            "edit it there, then onboard",
        )
    _, _, offer = meet(files.origin, timeout, allow_exposed)
    if files.lock is not None:
        if accept:
            raise InputError(
                "there is a lock already",
                key="--accept",
                remedy=f"give it to `ringwall lock approve {stack}`",
            )
        comparison = compared(files.lock, offer)
        report(files, comparison)
        if not comparison.is_unchanged:
            raise typer.Exit(1)
        return
    text = to_yaml(review(build_lock(offer), accept, yes=yes, command=f"ringwall lock approve {stack}"))
    load_staged(project, files.environment, {files.lock_file: text})
    for line in concern_lines(examine(offer)):
        console.note(f"warning: {line}")
    if dry_run:
        console.say(f"--- {files.lock_file} (not written)\n{text}")
    elif console.ask(f"Write the missing {files.lock_file.name}?", yes=yes):
        apply([FileChange.new(files.lock_file, text)])
        console.say(f"wrote {files.lock_file}")
    else:
        console.note("nothing was written")
        raise typer.Exit(1)
    if state.json:
        console.print_json({"version": 1, "stack": stack, "written": not dry_run, "files": [str(files.lock_file)]})
