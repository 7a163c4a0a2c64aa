"""`ringwall audit export`: the guard's audit log sent to syslog or to a store."""

from __future__ import annotations

from pathlib import Path

from cli import console, invocation
from cli.project import current_project
from model.text import counted
from operations.audit_export.destination import DestinationOptions, sink_of
from operations.audit_export.log_cursor import LogCursor
from operations.audit_export.meter import ExportMeter
from operations.audit_export.position import Position
from operations.audit_export.run import Export, Exported
from operations.audit_logs import all_logs, find_log


def export(
    log: str,
    *,
    to: str,
    position: Path,
    watch: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    endpoint: str | None,
    region: str | None,
    every: float,
    metrics_port: int | None,
) -> None:
    """What `ringwall audit export` does; its flags and help are in `cli.flags.audit_export`."""
    path = find_log(log, current_project, console.note)
    for further in all_logs(path)[1:]:
        console.note(f"the log {further} of a further worker is exported by a command of its own")
    sink = sink_of(to, DestinationOptions(ca, certificate, key, endpoint, region, every))
    place = Position.open(position, to)
    cursor = LogCursor(path, place.sequence, place.hash)
    try:
        meter = ExportMeter(place.sequence, cursor.lag)
        if metrics_port is not None:
            meter.serve(metrics_port)
            console.note(f"metrics on http://127.0.0.1:{metrics_port}/metrics")
        result = Export(cursor, sink, place, meter, _report).run(follow=watch)
    except KeyboardInterrupt:  # between two steps: what was not delivered is sent again
        if not watch:
            raise
        result = None
    finally:
        cursor.close()
        sink.close()
        place.close()
    _tell(result, to)


def _tell(result: Exported | None, to: str) -> None:
    if result is None:
        return
    if invocation.current().json:
        console.print_json({"version": 1, "destination": to, "records": result.records, "sequence": result.sequence})
    elif result.records:
        console.say(f"{counted(result.records, 'record')} exported, to number {result.sequence}")
    else:
        console.say(f"nothing is new since record {result.sequence}")


def _report(problem: str | None) -> None:
    console.note(
        "the destination takes records again" if problem is None else f"warning: not delivered: {problem}; trying again"
    )
