"""The verification of the guard's audit log as a JSON document."""

from __future__ import annotations

from typing import Any

from guard.audit.chain import AuditReport


def document(report: AuditReport) -> dict[str, Any]:
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
