"""`ringwall audit`: the guard's audit log proven, searched and watched."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import typer

from cli import console, state
from guard.audit.chain import AuditReport
from guard.audit.files import log_files
from guard.audit.keys import load_public_key
from guard.audit.reader import Filter, follow, instant, last, read_anchors, select
from guard.audit.reader import verify as check
from guard.decide.reasons import Decision
from model.errors import InputError
from model.text import visible
from model.waivers import today_utc
from operations.audit import document
from operations.audit_entries import entry, line, way_out

#: Bytes that take about a second to verify; below that no progress is shown.
_LONG = 20_000_000


def verify(path: Path, *, key: list[Path] | None, anchors: Path | None) -> None:
    """What `ringwall audit verify` does; its flags and help are in `cli.flags.audit`."""
    keys = [load_public_key(file) for file in key or []]
    heads = None if anchors is None else read_anchors(anchors)
    size = sum(os.stat(file).st_size for file in log_files(path)) if path.parent.is_dir() else 0
    if size > _LONG:
        with console.working(f"verifying {size / 1e6:.0f} MB"):
            report = check(path, keys, heads)
    else:
        report = check(path, keys, heads)
    if state.json:
        console.print_json(document(report))
    else:
        _show_report(report)
    if not report.ok:
        raise typer.Exit(3)


def _show_report(report: AuditReport) -> None:
    if report.broken is not None:
        console.say(f"BROKEN {visible(str(report.broken))}")
        if report.records:
            console.say(f"before it, {report.records} records hold together, to number {report.last_sequence}")
        return
    console.say(
        f"{visible(report.server or '')}: {report.records} records in {len(report.files)} files hold together, "
        f"{report.first_sequence} to {report.last_sequence} ({visible(report.last_time or '')})"
    )
    if report.recovered:
        console.say(f"{report.recovered} incomplete records were set aside after a crash")
    if report.signatures_checked:
        console.say(f"{report.heads} signed heads are good; {report.unsigned} records after the last are not signed")
    else:
        console.note("warning: signatures were not checked; give the guard's public key with --public-key")
    if report.anchors:
        older = f", {report.anchors_older} are older than the kept files" if report.anchors_older else ""
        console.say(f"{report.anchors_found} of {report.anchors} anchored heads are in the chain{older}")
    else:
        console.note(
            "warning: root on the guard's host could have rewritten all of it; give anchored heads with --anchors"
        )


def show(
    path: Path,
    *,
    principal: str | None,
    tool: str | None,
    decision: str | None,
    reason: str | None,
    since: str | None,
    until: str | None,
    incident: str | None,
    limit: int,
) -> None:
    """What `ringwall audit show` does; its flags and help are in `cli.flags.audit`."""
    decisions = tuple(Decision)
    if decision is not None and decision not in decisions:
        raise InputError(f"there is no decision {decision}", key="--decision", remedy=f"give {', '.join(decisions)}")
    query = Filter(principal, tool, decision, reason, _time("--since", since), _time("--until", until), incident)
    bad: list[str] = []
    records, total = select(path, query, limit, lambda file, line, problem: bad.append(f"{file}:{line}: {problem}"))
    for problem in bad[:10]:
        console.note(f"warning: {problem}")
    if len(bad) > 10:
        console.note(f"warning: {len(bad) - 10} more lines are not records")
    if state.json:
        _print_json({"version": 1, "matching": total, "unreadable": len(bad), "records": records})
        return
    if not records:
        console.say("no record matches")
        return
    for record in records:
        _say(entry(record))
        if incident is not None:
            _say(way_out(record, today_utc()))
    if incident is None and any(record.get("decision") in (Decision.BLOCK, Decision.REFUSE) for record in records):
        console.note("what would let a call pass: `ringwall audit show PATH --incident INCIDENT`")
    if total > len(records):
        console.say(f"the newest {len(records)} of {total}; --limit shows more")


def _say(lines: list[str]) -> None:
    for text in lines:
        console.say(text)


def _time(option: str, text: str | None) -> str | None:
    try:
        return None if text is None else instant(text)
    except (ValueError, OverflowError):
        raise InputError(
            "is not a time", key=option, remedy="write it such as 2026-11-23 or 2026-11-23T10:00Z"
        ) from None


def tail(path: Path, *, count: int, watch: bool) -> None:
    """What `ringwall audit tail` does; its flags and help are in `cli.flags.audit`."""
    if not watch:
        records = last(path, count)
        if state.json:
            _print_json({"version": 1, "records": records})
        else:
            for record in records:
                _say(entry(record))
        return
    try:
        for record in follow(path, count):
            print(json.dumps(record, sort_keys=True) if state.json else line(record), flush=True)
    except KeyboardInterrupt:
        return


def _print_json(document: dict[str, Any]) -> None:
    # ASCII only, unlike other commands: names in records are what clients sent, hidden characters and all.
    print(json.dumps(document, indent=2, sort_keys=True))
