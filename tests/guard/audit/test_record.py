from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from guard.audit.chain import canonical, seal, unseal
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from guard.inspect.verdict import Category, EngineFinding, Outcome, Verdict
from model.canonical import canonical_json

TEXTS = st.text(st.characters(codec="utf-8"))
NUMBERS = st.floats(0, 1e6) | st.none()


@given(TEXTS, TEXTS | st.integers(), NUMBERS, TEXTS | st.none())
def test_a_record_is_written_as_canonical_json(
    name: str, id_: str | int, time: float | None, payload: str | None
) -> None:
    verdict = Verdict(Outcome.ALLOW, "embedded", milliseconds=time or 0.0)
    members = AuditRecord(
        method="tools/call",
        decision=Decision.ALLOW,
        reason="granted",
        name=name,
        request_id=id_,
        milliseconds=time,
        payload=payload,
        engines=(verdict,),
    ).as_json()
    assert canonical(members) == canonical_json(members)


def test_half_a_surrogate_pair_in_a_name_does_not_stop_the_log() -> None:
    line, digest = seal({"version": 1, "sequence": 1, "previous": "", "name": "a\ud800"})
    record, found = unseal(line)
    assert (record["name"], found) == ("a\ud800", digest)
    line.decode("utf-8")


def test_a_verdict_is_recorded_by_place_and_rule_and_without_text() -> None:
    finding = EngineFinding(Category.SECRET, "aws_key", "/params/arguments/text", span=(3, 23), confidence=0.9)
    verdict = Verdict(Outcome.BLOCK, "lakera", (finding,), reference="req-1", milliseconds=12.3456, error=None)
    record = AuditRecord(method="tools/call", decision=Decision.BLOCK, reason="secret", engines=(verdict,))
    assert record.as_json()["engines"] == [
        {
            "engine": "lakera",
            "outcome": "block",
            "reference": "req-1",
            "milliseconds": 12.346,
            "error": None,
            "findings": [{"category": "secret", "rule": "aws_key", "pointer": "/params/arguments/text"}],
        }
    ]


def test_what_a_client_names_cannot_fill_the_disk_and_the_cut_is_written_down() -> None:
    many = Verdict(Outcome.BLOCK, "e", (EngineFinding(Category.POLICY, "r" * 5000, "/"),) * 250)
    record = AuditRecord(
        method="m" * 9000,
        decision=Decision.BLOCK,
        reason="policy",
        name="n" * 1_000_000,
        request_id="i" * 9000,
        engines=(many,),
        payload="p" * 3_000_000,
    ).as_json()
    assert record["name"] == "n" * 1024 + "…+998976"
    assert record["engines"][0]["more_findings"] == 150
    assert record["payload_cut"] == 3_000_000
    assert len(json.dumps(record)) < 1_300_000


def test_no_payload_stands_in_a_record_unless_it_is_given() -> None:
    assert "payload" not in AuditRecord(method="m", decision=Decision.ALLOW, reason="granted").as_json()
