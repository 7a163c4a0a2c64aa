"""`ringwall lock`: compares a server with its tool lock, and approves what it offers."""

from __future__ import annotations

from dataclasses import replace

import typer

from cli import console, invocation
from cli.acceptance import review, show_findings
from cli.project import current_project
from model.text import counted, visible
from model.tool_lock import to_yaml
from operations.onboard.acceptance import findings_json
from operations.onboard.lock import render
from operations.onboard.offer import (
    Comparison,
    ask_server,
    capabilities_of,
    changes_json,
    compared,
    concern_lines,
    left_out_lines,
    with_acceptances,
)
from operations.onboard.parameters import read_choices, with_choices
from operations.onboard.stability import compared_again
from operations.project.server_files import ServerFiles, foreign_tools, granted, read_server
from operations.project.write import FileChange, apply


def diff(server: str, *, timeout: float, client_capabilities: str | None) -> None:
    """What `ringwall lock diff` does; its flags and help are in `cli.flags.lock`."""
    files, comparison = _compare(server, timeout, client_capabilities, thorough=False)
    report(files, comparison)
    if not comparison.is_unchanged:
        raise typer.Exit(3)


def approve(
    server: str, *, timeout: float, client_capabilities: str | None, accept: list[str], parameter: list[str], yes: bool
) -> None:
    """What `ringwall lock approve` does; its flags and help are in `cli.flags.lock`."""
    files, comparison = _compare(server, timeout, client_capabilities, thorough=True)
    lock = with_choices(comparison.new, read_choices(comparison.new, parameter))
    new = review(lock, accept, yes=yes, command=f"ringwall lock approve {files.stack}")
    comparison = with_acceptances(comparison, files.locked(), new)
    if comparison.is_unchanged:
        report(files, comparison, findings=False)
        return
    if not invocation.current().json:
        report(files, comparison, advise=False, findings=False)
    else:
        for line in (*comparison.notes, *_warnings(files, comparison)):
            console.note(f"warning: {line}")
    if not console.ask(f"Approve {counted(len(comparison.changes), 'change')}?", yes=yes):
        console.note("nothing was written")
        raise typer.Exit(1)
    apply([FileChange(files.lock_file, files.lock_text.encode(), to_yaml(comparison.new).encode())])
    if invocation.current().json:
        console.print_json({**_document(files, comparison), "approved": True})
    console.say(f"wrote {files.lock_file}; commit it, then `ringwall up {files.stack}`")


def _compare(
    server: str, timeout: float, client_capabilities: str | None, *, thorough: bool
) -> tuple[ServerFiles, Comparison]:
    """The server beside its lock. What is not the same at each start is said where it matters: before an approval
    (`thorough`), and where there is a difference to explain."""
    project = current_project()
    files = read_server(project, server)
    lock = files.locked()
    capabilities, foreign_names = capabilities_of(client_capabilities, lock), foreign_tools(project, files.stack)
    with console.working(f"asking {files.stack} what it offers"):
        offer = ask_server(files.origin, timeout, capabilities)
        comparison = compared(lock, offer, foreign_names)
        if thorough or not comparison.is_unchanged:
            acquaintance = compared_again(offer, files.origin, timeout, capabilities)
            comparison = replace(comparison, notes=tuple(acquaintance.lines()))
    return files, comparison


def granted_changes(files: ServerFiles, comparison: Comparison) -> list[str]:
    """What the changes mean for tools that somebody may call."""
    before = set(granted(files.grants, files.locked().tools))
    after = set(granted(files.grants, comparison.new.tools))
    lines = []
    for change in comparison.changes:
        if change.part != "tool":
            continue
        name = visible(change.name)
        if change.kind == "removed" and change.name in before:
            lines.append(f"{name} is granted and gone: take it out of the grants in {files.document.file}")
        elif change.kind == "changed" and change.name in before:
            lines.append(f"{name} is granted and its definition changed")
        elif change.name in after - before:
            lines.append(f"{name} would be granted at once, by a pattern in {files.document.file}")
        if change.name in before - after and change.kind == "changed":
            lines.append(f"{name} has risk {change.risk} now, so its read-only grant no longer holds")
    return lines


def report(files: ServerFiles, comparison: Comparison, *, advise: bool = True, findings: bool = True) -> None:
    """The differences for people, or the one JSON document. `findings` says the guard's that nobody accepted."""
    if invocation.current().json:
        console.print_json(_document(files, comparison))
        return
    for line in left_out_lines(comparison.new):
        console.note(f"note: {line}")
    if findings:
        show_findings(comparison.new, f"ringwall lock approve {files.stack}")
    for line in comparison.notes:
        console.note(f"warning: {line}")
    if comparison.is_unchanged:
        console.say(f"{files.stack} offers exactly what its lock says")
        return
    for line in render(comparison.changes):
        console.say(line)
    for line in _warnings(files, comparison):
        console.note(f"warning: {line}")
    if advise:
        console.say(f"Nothing was written. To take this over: `ringwall lock approve {files.stack}`")


def _document(files: ServerFiles, comparison: Comparison) -> dict[str, object]:
    return {
        "version": 1,
        "stack": files.stack,
        "same": comparison.is_unchanged,
        "changes": changes_json(comparison.changes),
        "left_out": [left_out.dump() for left_out in comparison.new.left_out],
        "findings": findings_json(comparison.new),
        "warnings": [*comparison.notes, *_warnings(files, comparison)],
    }


def _warnings(files: ServerFiles, comparison: Comparison) -> list[str]:
    """What the changes mean for the grants, and what of their texts looks like an attack."""
    return [*granted_changes(files, comparison), *concern_lines(comparison.concerns)]
