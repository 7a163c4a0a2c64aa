"""An audit record as an event of the Open Cybersecurity Schema Framework (https://schema.ocsf.io/1.6.0).

| record | class |
|---|---|
| allowed, refused, answered by an error | API Activity, 6003 |
| blocked, redacted or flagged | Detection Finding, 2004 |
| of the log itself: opened, configured, closed, signed | Application Lifecycle, 6002 |

`raw_data` is the record's very line, hash and all, so that the chain can be verified from what was exported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from guard.decide.reasons import Decision
from model.finding_exceptions import rule_of
from operations.audit_export.log_cursor import SealedRecord

SCHEMA = "1.6.0"
_PRODUCT = {"name": "Ringwall guard", "vendor_name": "Ringwall", "version": version("ringwall")}
_FINDING, _ACTIVITY, _LIFECYCLE = 2004, 6003, 6002
_CREATE, _READ, _UNLISTED = 1, 2, 99
_SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
#: Methods that only read; what any other does is not for the method to say.
_READS = ("/list", "/get", "/read")
#: Kinds of the log's own records that are a start or an end of the guard (activities of 6002).
_LIFE = {"open": 3, "close": 4}


class Disposition(NamedTuple):
    """What a decision is in the profile Security Control."""

    class_uid: int
    severity: int
    action: int
    disposition: int
    disposition_name: str
    succeeded: bool


_OUTCOMES: Mapping[str, Disposition] = {
    Decision.ALLOW: Disposition(_ACTIVITY, 1, 1, 1, "Allowed", True),
    Decision.REFUSE: Disposition(_ACTIVITY, 2, 2, 2, "Blocked", False),
    Decision.ERROR: Disposition(_ACTIVITY, 2, 0, 27, "Error", False),
    Decision.FLAG: Disposition(_FINDING, 3, 1, 15, "Detected", True),
    Decision.REDACT: Disposition(_FINDING, 3, 1, 11, "Corrected", True),
    Decision.BLOCK: Disposition(_FINDING, 4, 2, 2, "Blocked", False),
}
_ACTIONS = ("Unknown", "Allowed", "Denied")


def event_of(sealed: SealedRecord) -> dict[str, Any]:
    """The event of one record."""
    record = sealed.record
    outcome = _OUTCOMES.get(str(record.get("decision")))
    if record.get("kind") != "decision" or outcome is None:
        return _lifecycle(sealed)
    members = _finding(sealed, outcome) if outcome.class_uid == _FINDING else _activity(record)
    return {
        **_common(sealed, outcome.class_uid, members.pop("activity"), outcome.severity),
        **members,
        "action_id": outcome.action,
        "action": _ACTIONS[outcome.action],
        "disposition_id": outcome.disposition,
        "disposition": outcome.disposition_name,
        "status_id": 1 if outcome.succeeded else 2,
        "status": "Success" if outcome.succeeded else "Failure",
        "status_code": str(record.get("reason")),
        **_present("status_detail", record.get("problem")),
        **_present("duration", _rounded(record.get("milliseconds"))),
        **_present("count", record.get("repeats")),
        **_present("resources", _resources(record)),
        **_present("policy", _policy(record)),
    }


def line_of(sealed: SealedRecord) -> bytes:
    """The event as one line of ASCII without its line end: names in records are what clients sent, line breaks and all."""
    return json.dumps(event_of(sealed), separators=(",", ":")).encode()


def _common(sealed: SealedRecord, class_uid: int, activity: tuple[int, str], severity: int) -> dict[str, Any]:
    record = sealed.record
    written_at = str(record.get("time"))
    metadata = {
        "version": SCHEMA,
        "product": _PRODUCT,
        "uid": sealed.hash,
        "sequence": record["sequence"],
        "log_name": "audit",
        "log_provider": str(record.get("server")),
        "original_time": written_at,
        **_present("correlation_uid", record.get("incident")),
    }
    if class_uid != _LIFECYCLE:
        metadata["profiles"] = ["security_control"]
    number, name = activity
    return {
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + number,
        "activity_id": number,
        "activity_name": name,
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "time": round(datetime.fromisoformat(written_at).timestamp() * 1000),
        "metadata": metadata,
        "raw_data": sealed.line.decode().removesuffix("\n"),
    }


def _activity(record: Mapping[str, Any]) -> dict[str, Any]:
    method = str(record.get("method"))
    reads = method.endswith(_READS)
    return {
        "activity": (_READ, "Read") if reads else (_UNLISTED, method or "message"),
        "actor": _actor(record),
        "api": _api(record),
        # The guard speaks to the gateway, and does not know the caller's address.
        "src_endpoint": {"name": "unknown"},
    }


def _finding(sealed: SealedRecord, outcome: Disposition) -> dict[str, Any]:
    record = sealed.record
    findings = [
        (str(finding.get("category")), rule_of(str(note.get("engine")), str(finding.get("rule"))))
        for note in record.get("engines") or ()
        for finding in note.get("findings") or ()
    ]
    rules = list(dict.fromkeys(rule for _, rule in findings))
    info: dict[str, Any] = {
        "uid": f"{record.get('server')}#{record['sequence']}",
        "title": f"{record.get('reason')} in {record.get('leg') or record.get('method')}",
        "types": list(dict.fromkeys(category for category, _ in findings)) or [str(record.get("reason"))],
    }
    if rules:
        info["analytic"] = {"type_id": 1, "type": "Rule", "uid": rules[0]}
        info["related_analytics"] = [{"type_id": 1, "type": "Rule", "uid": rule} for rule in rules[1:]]
    return {
        "activity": (_CREATE, "Create"),
        "finding_info": info,
        "is_alert": outcome.action == 2,
        "evidences": [{"actor": _actor(record), "api": _api(record)}],
    }


def _lifecycle(sealed: SealedRecord) -> dict[str, Any]:
    kind = str(sealed.record.get("kind"))
    number = _LIFE.get(kind, _UNLISTED)
    name = {3: "Start", 4: "Stop"}.get(number, kind)
    return {**_common(sealed, _LIFECYCLE, (number, name), 1), "app": _PRODUCT}


def _actor(record: Mapping[str, Any]) -> dict[str, Any]:
    principal, session = record.get("principal"), record.get("session")
    if principal is None:
        return {"app_name": "unidentified"}
    person = str(principal).startswith("person:")
    user = {"uid": str(principal), "type_id": 1 if person else _UNLISTED, "type": "User" if person else "Agent"}
    return {"user": user, **({"session": {"uid": str(session)}} if session else {})}


def _api(record: Mapping[str, Any]) -> dict[str, Any]:
    request_id = record.get("request_id")
    return {
        "operation": str(record.get("method")),
        "service": {"name": str(record.get("server"))},
        **({} if request_id is None else {"request": {"uid": str(request_id)}}),
    }


def _resources(record: Mapping[str, Any]) -> list[dict[str, str]] | None:
    name = record.get("name")
    if not name:
        return None
    method = str(record.get("method"))
    kind = next((word for word in ("tool", "prompt", "resource") if method.startswith(word)), "definition")
    return [{"name": str(name), "type": kind}]


def _policy(record: Mapping[str, Any]) -> dict[str, str] | None:
    key, bundle = record.get("key"), record.get("bundle")
    named = {**_present("name", key), **_present("uid", bundle)}
    return named or None


def _rounded(value: Any) -> int | None:
    return round(value) if isinstance(value, int | float) else None


def _present(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value}
