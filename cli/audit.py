"""`ringwall audit`: the guard's audit log proven, searched and watched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from cli import console, invocation
from cli.audit_report import show_report, warn_of_unproven
from cli.project import current_project
from guard.audit.files import log_files
from guard.audit.following import follow
from guard.audit.keys import load_public_key
from guard.audit.reader import Filter, instant, last_of_all, read_anchors, select_all, verify_all
from guard.decide.reasons import Decision
from model.errors import InputError
from model.waivers import today_utc
from operations.audit import document
from operations.audit_entries import entry, is_bookkeeping, line, way_out
from operations.audit_logs import all_logs, find_log

#: Bytes that take about a second to verify; below that no progress is shown.
_LONG = 20_000_000


def verify(log: str, *, key: list[Path] | None, anchors: Path | None) -> None:
    """What `ringwall audit verify` does; its flags and help are in `cli.flags.audit`."""
    path = find_log(log, current_project, console.note)
    keys = [load_public_key(file) for file in key or []]
    heads = None if anchors is None else read_anchors(anchors)
    logs = all_logs(path) if path.parent.is_dir() else []
    size = sum(os.stat(file).st_size for log in logs for file in log_files(log))
    if size > _LONG:
        with console.working(f"verifying {size / 1e6:.0f} MB"):
            reports = verify_all(path, keys, heads)
    else:
        reports = verify_all(path, keys, heads)
    if invocation.current().json:
        console.print_json(document(reports))
    else:
        for report in reports:
            show_report(report)
        warn_of_unproven(reports)
    if not all(report.ok for report in reports):
        raise typer.Exit(3)


def show(
    log: str,
    *,
    principal: str | None,
    tool: str | None,
    decision: str | None,
    reason: str | None,
    since: str | None,
    until: str | None,
    incident: str | None,
    limit: int,
    everything: bool,
) -> None:
    """What `ringwall audit show` does; its flags and help are in `cli.flags.audit`."""
    path = find_log(log, current_project, console.note)
    decisions = tuple(Decision)
    if decision is not None and decision not in decisions:
        raise InputError(f"there is no decision {decision}", key="--decision", remedy=f"give {', '.join(decisions)}")
    hidden = _hidden(everything)
    query = Filter(
        principal, tool, decision, reason, _time("--since", since), _time("--until", until), incident, hidden
    )
    bad: list[str] = []
    records, total = select_all(
        all_logs(path), query, limit, lambda file, line, problem: bad.append(f"{file}:{line}: {problem}")
    )
    for problem in bad[:10]:
        console.note(f"warning: {problem}")
    if len(bad) > 10:
        console.note(f"warning: {len(bad) - 10} more lines are not records")
    if invocation.current().json:
        _print_json({"version": 1, "matching": total, "unreadable": len(bad), "records": records})
        return
    if not records:
        console.say("no record matches")
        return
    for record in records:
        _say(record)
        if incident is not None:
            for text in way_out(record, today_utc()):
                console.say(text)
    if incident is None and any(record.get("decision") in (Decision.BLOCK, Decision.REFUSE) for record in records):
        console.note(f"what would let a call pass: `ringwall audit show {log} --incident INCIDENT`")
    if total > len(records):
        console.say(f"the newest {len(records)} of {total}; --limit shows more")


def _hidden(everything: bool) -> Callable[[dict[str, Any]], bool] | None:
    """Which records people are not shown; programs get all of them."""
    return None if everything or invocation.current().json else is_bookkeeping


def _say(record: dict[str, Any]) -> None:
    first, *following = entry(record)
    decision = str(record.get("decision") or "")
    console.say(first.replace(f" {decision} ", f" {console.coloured(decision)} ", 1) if decision else first)
    for text in following:
        console.say(text)


def _time(option: str, text: str | None) -> str | None:
    try:
        return None if text is None else instant(text)
    except (ValueError, OverflowError):
        raise InputError(
            "is not a time", key=option, remedy="write it such as 2026-11-23 or 2026-11-23T10:00Z"
        ) from None


def tail(log: str, *, count: int, watch: bool, everything: bool) -> None:
    """What `ringwall audit tail` does; its flags and help are in `cli.flags.audit`."""
    path, hidden = find_log(log, current_project, console.note), _hidden(everything)
    if not watch:
        records = last_of_all(all_logs(path), count, hidden)
        if invocation.current().json:
            _print_json({"version": 1, "records": records})
        else:
            for record in records:
                _say(record)
        return
    try:
        for record in follow(lambda: all_logs(path), count, hidden=hidden, say=_say_of_log):
            print(json.dumps(record, sort_keys=True) if invocation.current().json else line(record), flush=True)
    except KeyboardInterrupt:
        return


def _say_of_log(path: Path, problem: str) -> None:
    console.note(f"warning: {path}: {problem}")


def _print_json(document: dict[str, Any]) -> None:
    # ASCII only, unlike other commands: names in records are what clients sent, hidden characters and all.
    print(json.dumps(document, indent=2, sort_keys=True))
