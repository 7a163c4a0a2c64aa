"""Onboarding a server that has its stack file already: its offer is compared with the tool lock.

`meet`, which looks at the socket and asks for the offer, serves the first onboarding of a server too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import typer

from cli import console, invocation
from cli.acceptance import review
from cli.lock import report
from model.errors import InputError
from model.project import Project
from model.server import Origin
from model.stacks import server_of
from model.tool_lock import ClientCapability, to_yaml
from operations.onboard import origins
from operations.onboard.offer import capabilities_of, compared, concern_lines, left_out_lines, lock_of, pinned_offer
from operations.onboard.risk import examine
from operations.onboard.stability import Acquaintance, acquaint
from operations.project.server_files import foreign_tools, read_server
from operations.project.staging import load_staged
from operations.project.write import FileChange, apply
from operations.sockets import Exposure


def meet(
    origin: Origin, timeout: float, allow_exposed: bool, capabilities: tuple[ClientCapability, ...]
) -> tuple[Exposure | None, list[str], Acquaintance]:
    """Look at the server's socket, warn of what is wrong with it, and ask the server twice what it offers."""
    exposure = origins.listener_of(origin)
    warnings = origins.judge(origin, exposure, allow_exposed=allow_exposed)
    with console.working("asking the server twice what it offers"):
        acquaintance = acquaint(origin, timeout, capabilities)
    # Where nothing answers, there is nothing to warn of.
    for warning in warnings:
        console.note(f"WARNING: {warning}")
    return exposure, warnings, acquaintance


def compare_existing(
    project: Project,
    stack: str,
    origin_flags: dict[str, Any] | None,
    *,
    timeout: float,
    client_capabilities: str | None,
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
    capabilities = capabilities_of(client_capabilities, files.lock)
    _, _, acquaintance = meet(files.origin, timeout, allow_exposed, capabilities)
    offer = acquaintance.offer
    if files.lock is not None:
        if accept:
            raise InputError(
                "there is a lock already",
                key="--accept",
                remedy=f"give it to `ringwall lock approve {stack}`",
            )
        comparison = compared(files.lock, offer, foreign_tools(project, stack))
        comparison = replace(comparison, notes=tuple(acquaintance.lines()))
        report(files, comparison)
        if not comparison.is_unchanged:
            raise typer.Exit(3)
        return
    lock = review(lock_of(offer), accept, yes=yes, command=f"ringwall lock approve {stack}")
    text = to_yaml(lock)
    load_staged(project, files.environment, {files.lock_file: text}, server=server_of(stack))
    for line in acquaintance.lines():
        console.note(f"warning: {line}")
    for line in concern_lines(examine(pinned_offer(offer, lock), foreign_tools(project, stack))):
        console.note(f"warning: {line}")
    for line in left_out_lines(lock):
        console.note(f"note: {line}")
    if dry_run:
        console.say(f"--- {files.lock_file} (not written)\n{text}")
    elif console.ask(f"Write the missing {files.lock_file.name}?", yes=yes):
        apply([FileChange.new(files.lock_file, text)])
        console.say(f"wrote {files.lock_file}")
    else:
        console.note("nothing was written")
        raise typer.Exit(1)
    if invocation.current().json:
        console.print_json({"version": 1, "stack": stack, "written": not dry_run, "files": [str(files.lock_file)]})
