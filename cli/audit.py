"""`ringwall audit`: the guard's audit log proven, searched and watched."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from cli import console, state
from cli.options import AsJson, Debug
from guard.audit.chain import Report
from guard.audit.files import log_files
from guard.audit.keys import load_public_key
from guard.audit.reader import Filter, follow, instant, last, read_anchors, select
from guard.audit.reader import verify as check
from guard.decide.reasons import Decision
from model.errors import InputError
from model.text import visible

app = typer.Typer(help="Prove, search and watch a guard's audit log.", no_args_is_help=True, rich_markup_mode=None)
Log = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="The log file; its rotated files beside it are read too.", show_default=False),
]
#: About a second's work; less needs no word.
_LONG = 20_000_000


@app.command()
def verify(
    path: Log,
    key: Annotated[
        Optional[list[Path]],  # noqa: UP045 - Typer reads it at run time
        typer.Option(
            "--key",
            help="Public key (PEM) of the guard, kept off its host; repeat after a new key.",
            show_default=False,
        ),
    ] = None,
    anchors: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--anchors", help="Heads that the collector received, one JSON object a line.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check every record, the chain over all files, signed heads and anchors. Exit code 3 when anything is broken.

    The bare chain shows records changed, removed, moved or repeated. With --key, what was written without the signing
    key shows too, but for the records after the last head; with --anchors also a chain rewritten on the guard's host.
    """
    keys = [load_public_key(file) for file in key or []]
    heads = None if anchors is None else read_anchors(anchors)
    size = sum(os.stat(file).st_size for file in log_files(path)) if path.parent.is_dir() else 0
    if size > _LONG:
        with console.working(f"verifying {size / 1e6:.0f} MB"):
            report = check(path, keys, heads)
    else:
        report = check(path, keys, heads)
    if state.json:
        console.print_json(_document(report))
    else:
        _show_report(report)
    if not report.ok:
        raise typer.Exit(3)


def _document(report: Report) -> dict[str, Any]:
    broken = report.broken
    return {
        "version": 1,
        "ok": report.ok,
        "broken": None if broken is None else {"file": broken.file, "line": broken.line, "problem": broken.problem},
        "server": report.server,
        "files": report.files,
        "records": report.records,
        "first_sequence": report.first_sequence,
        "last_sequence": report.last_sequence,
        "last_hash": report.last_hash,
        "last_time": report.last_time,
        "heads": report.heads,
        "signed_by": report.signed_by,
        "signatures_checked": report.signatures_checked,
        "unsigned_records": report.unsigned,
        "recovered": report.recovered,
        "anchors": report.anchors,
        "anchors_found": report.anchors_found,
        "anchors_older": report.anchors_older,
    }


def _show_report(report: Report) -> None:
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
        console.note("warning: signatures were not checked; give the guard's public key with --key")
    if report.anchors:
        older = f", {report.anchors_older} are older than the kept files" if report.anchors_older else ""
        console.say(f"{report.anchors_found} of {report.anchors} anchored heads are in the chain{older}")
    else:
        console.note(
            "warning: root on the guard's host could have rewritten all of it; give anchored heads with --anchors"
        )


@app.command()
def show(
    path: Log,
    principal: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of one principal, such as person:<sub> or agent:<common name>.", show_default=False),
    ] = None,
    tool: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="About one tool, prompt or resource.", show_default=False),
    ] = None,
    decision: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="allow, block, redact, flag, refuse or error.", show_default=False),
    ] = None,
    reason: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="With one reason, such as not_granted.", show_default=False),
    ] = None,
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="From this time on (ISO 8601; UTC unless it says).", show_default=False),
    ] = None,
    until: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Before this time.", show_default=False),
    ] = None,
    incident: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The incident id a caller was told.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=1_000_000)] = 100,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show records that match every option given, oldest first. They are shown as they stand: `verify` proves them."""
    decisions = tuple(Decision)
    if decision is not None and decision not in decisions:
        raise InputError(f"there is no decision {decision}", key="--decision", remedy=f"give {', '.join(decisions)}")
    wanted = Filter(principal, tool, decision, reason, _time("--since", since), _time("--until", until), incident)
    bad: list[str] = []
    found, total = select(path, wanted, limit, lambda file, line, problem: bad.append(f"{file}:{line}: {problem}"))
    for line in bad[:10]:
        console.note(f"warning: {line}")
    if len(bad) > 10:
        console.note(f"warning: {len(bad) - 10} more lines are not records")
    if state.json:
        _print_json({"version": 1, "matching": total, "unreadable": len(bad), "records": found})
        return
    if not found:
        console.say("no record matches")
        return
    console.table(_COLUMNS, [_row(record) for record in found])
    if total > len(found):
        console.say(f"the newest {len(found)} of {total}; --limit shows more")


def _time(option: str, text: str | None) -> str | None:
    try:
        return None if text is None else instant(text)
    except (ValueError, OverflowError):
        raise InputError(
            "is not a time", key=option, remedy="write it such as 2026-11-23 or 2026-11-23T10:00Z"
        ) from None


@app.command()
def tail(
    path: Log,
    count: Annotated[int, typer.Option("-n", help="So many of the newest records first.", min=0, max=100_000)] = 20,
    watch: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones, over rotations.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the newest records; with --follow each new one too, until Ctrl-C. --follow --json prints a record a line."""
    if not watch:
        found = last(path, count)
        if state.json:
            _print_json({"version": 1, "records": found})
        else:
            console.table(_COLUMNS, [_row(record) for record in found])
        return
    try:
        for record in follow(path, count):
            print(
                json.dumps(record, sort_keys=True) if state.json else "  ".join(filter(None, _row(record))), flush=True
            )
    except KeyboardInterrupt:
        return


def _print_json(document: dict[str, Any]) -> None:
    # ASCII only, unlike other commands: names in records are what clients sent, hidden characters and all.
    print(json.dumps(document, indent=2, sort_keys=True))


_COLUMNS = ["time", "number", "principal", "method", "name", "leg", "decision", "reason", "incident"]


def _row(record: dict[str, Any]) -> list[str]:
    """One record's cells; hidden characters are made visible, as clients choose names and could rewrite the screen."""
    kind = str(record.get("kind"))
    details = record.get("details")
    if kind != "decision":
        said = json.dumps(details, sort_keys=True) if details and kind != "head" else ""
        cells = [record.get("time"), record.get("sequence"), None, f"({kind})", said, None, None, None, None]
    else:
        names = ("time", "sequence", "principal", "method", "name", "leg", "decision", "reason", "incident")
        cells = [record.get(name) for name in names]
    return ["" if cell is None else visible(str(cell)) for cell in cells]
