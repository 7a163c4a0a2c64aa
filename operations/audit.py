"""The verification of the guard's audit log as a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guard.audit.chain import AuditReport


def document(reports: Sequence[AuditReport]) -> dict[str, Any]:
    """The first report's members, and `workers` with those of further workers' logs, where there are any; `ok` is of all."""
    first, *further = reports
    if not further:
        return _document(first)
    return {
        **_document(first),
        "ok": all(report.ok for report in reports),
        "workers": [_document(report) for report in further],
    }


def _document(report: AuditReport) -> dict[str, Any]:
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
