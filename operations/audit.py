"""The guard's audit log for a reader: the JSON document of a verification, and the table row of a record."""

from __future__ import annotations

import json
from typing import Any

from guard.audit.chain import AuditReport
from model.text import visible


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


COLUMNS = ["time", "number", "principal", "method", "name", "leg", "decision", "reason", "incident"]


def cells(record: dict[str, Any]) -> list[str]:
    """One record's cells; hidden characters are made visible, as clients choose names and could rewrite the screen."""
    kind = str(record.get("kind"))
    details = record.get("details")
    if kind != "decision":
        detail_text = json.dumps(details, sort_keys=True) if details and kind != "head" else ""
        cells = [record.get("time"), record.get("sequence"), None, f"({kind})", detail_text, None, None, None, None]
    else:
        names = ("time", "sequence", "principal", "method", "name", "leg", "decision", "reason", "incident")
        cells = [record.get(name) for name in names]
    return ["" if cell is None else visible(str(cell)) for cell in cells]
