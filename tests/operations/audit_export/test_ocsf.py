"""Every kind of record is a valid event of OCSF, by its own schema, and holds the record's very line."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from guard.audit.chain import unseal
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from guard.inspect.verdict import Category, EngineFinding, Outcome, Verdict
from operations.audit_export.ocsf import SCHEMA, event_of, line_of
from tests.operations.audit_export.conftest import Writer, call, everything

INJECTION = Verdict(Outcome.BLOCK, "embedded", (EngineFinding(Category.INJECTION, "override.ignore", "/content/0"),))
VENDOR = Verdict(Outcome.BLOCK, "lakera", (EngineFinding(Category.JAILBREAK, "Prompt attack"),))
RECORDS: dict[str, AuditRecord] = {
    "allow": call(milliseconds=1.25, session="ab" * 8, request_id=7, incident="i1", bundle="sha256:00"),
    "read": call(method="tools/list", name=None, principal="agent:ci", request_id="x"),
    "refuse": call(decision=Decision.REFUSE, reason="rate_limited", key="limits.requests_per_minute", repeats=12),
    "nobody": call(method="http", decision=Decision.REFUSE, reason="access_expired", principal=None, name=None),
    "error": call(decision=Decision.ERROR, reason="origin_broken", problem="the stream ended", leg="results"),
    "flag": call(decision=Decision.FLAG, reason="excepted", engines=(INJECTION,), leg="results"),
    "redact": call(decision=Decision.REDACT, reason="secret", leg="arguments"),
    "block": call(decision=Decision.BLOCK, reason="injection", engines=(INJECTION, VENDOR), leg="results"),
    "no verdict": call(decision=Decision.BLOCK, reason="no_verdict", leg="arguments", name="a\u202e\n\x1bb\ud800"),
}


@functools.cache
def validator(class_uid: int) -> Any:
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=SCHEMA))
    name = schemas.lookup_class_name_from_uid(class_uid=class_uid)
    profiles = ["security_control"] if class_uid != 6002 else []
    return jsonschema.Draft202012Validator(schemas.get_class_schema(class_name=name, profiles=profiles))


@pytest.fixture
def events(path: Path, write: Writer) -> dict[str, dict[str, Any]]:
    """The events of RECORDS by name, and those of the log's own records by kind."""
    write(list(RECORDS.values()))
    sealed = everything(path)
    decisions = [one for one in sealed if one.record["kind"] == "decision"]
    own = {one.record["kind"]: event_of(one) for one in sealed if one.record["kind"] != "decision"}
    return {**{name: event_of(one) for name, one in zip(RECORDS, decisions, strict=True)}, **own}


def test_every_event_is_valid_by_the_schema_it_names(events: dict[str, dict[str, Any]]) -> None:
    assert {"start", "open", "close", "head"} < events.keys()
    for name, event in events.items():
        assert event["metadata"]["version"] == SCHEMA
        faults = [
            f"{fault.json_path}: {fault.message[:200]}" for fault in validator(event["class_uid"]).iter_errors(event)
        ]
        assert faults == [], name
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000


@pytest.mark.parametrize(
    ("name", "class_uid", "severity", "action", "disposition", "status"),
    [
        ("allow", 6003, 1, "Allowed", "Allowed", "Success"),
        ("refuse", 6003, 2, "Denied", "Blocked", "Failure"),
        ("error", 6003, 2, "Unknown", "Error", "Failure"),
        ("flag", 2004, 3, "Allowed", "Detected", "Success"),
        ("redact", 2004, 3, "Allowed", "Corrected", "Success"),
        ("block", 2004, 4, "Denied", "Blocked", "Failure"),
    ],
)
def test_a_decision_has_its_class_and_disposition(
    events: dict[str, dict[str, Any]],
    name: str,
    class_uid: int,
    severity: int,
    action: str,
    disposition: str,
    status: str,
) -> None:
    event = events[name]
    assert (event["class_uid"], event["severity_id"]) == (class_uid, severity)
    assert (event["action"], event["disposition"], event["status"]) == (action, disposition, status)


def test_what_an_analyst_asks_for_has_its_own_member(events: dict[str, dict[str, Any]]) -> None:
    allow, refuse, block = events["allow"], events["refuse"], events["block"]
    assert allow["actor"] == {"user": {"uid": "person:ada", "type_id": 1, "type": "User"}, "session": {"uid": "ab" * 8}}
    assert allow["api"] == {"operation": "tools/call", "service": {"name": "dev.desk"}, "request": {"uid": "7"}}
    assert allow["resources"] == [{"name": "tool_0", "type": "tool"}]
    assert (allow["metadata"]["correlation_uid"], allow["duration"]) == ("i1", 1)
    assert (refuse["status_code"], refuse["policy"]["name"], refuse["count"]) == (
        "rate_limited", "limits.requests_per_minute", 12,
    )  # fmt: skip
    info = block["finding_info"]
    assert (info["types"], info["analytic"]["uid"]) == (["injection", "jailbreak"], "override.ignore")
    assert [one["uid"] for one in info["related_analytics"]] == ["lakera.Prompt attack"]
    assert (block["is_alert"], events["flag"]["is_alert"]) == (True, False)
    assert events["read"]["activity_name"] == "Read"
    assert events["nobody"]["actor"] == {"app_name": "unidentified"}
    assert (events["open"]["activity_name"], events["close"]["activity_name"]) == ("Start", "Stop")


def test_an_event_holds_the_line_of_its_record(path: Path, write: Writer) -> None:
    write(list(RECORDS.values()))
    sealed = everything(path)
    lines = [json.loads(line_of(one)) for one in sealed]
    raw = "".join(event["raw_data"] + "\n" for event in lines).encode()
    assert raw == path.read_bytes()
    for event in lines:
        record, digest = unseal(event["raw_data"].encode() + b"\n")
        assert (event["metadata"]["uid"], event["metadata"]["sequence"]) == (digest, record["sequence"])


def test_an_event_is_one_line_of_ascii(path: Path, write: Writer) -> None:
    write(list(RECORDS.values()))
    for one in everything(path):
        line = line_of(one)
        assert line.isascii()
        assert not set(line) & set(range(32))
