"""The audit log's canonical JSON beside the model's: one byte form for every record, and where the log writes more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.audit.chain import canonical, seal, unseal
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from guard.inspect.verdict import Category, EngineFinding, Outcome, Verdict
from model.canonical import canonical_json

TEXTS = st.text(st.characters(codec="utf-8"))
MILLISECONDS = st.floats(0, 1e12)


@given(TEXTS, TEXTS | st.integers(-(10**40), 10**40), MILLISECONDS, st.integers(0, 10**30), st.lists(TEXTS, max_size=3))
def test_both_write_the_same_bytes_of_every_record(
    text: str, request_id: str | int, milliseconds: float, size: int, rules: list[str]
) -> None:
    """Text beyond ASCII and beyond the BMP, fractions and whole floats of any length of time, integers beyond 64 bits."""
    verdict = Verdict(
        Outcome.BLOCK,
        "embedded",
        tuple(EngineFinding(Category.SECRET, rule, f"/{text}") for rule in rules),
        reference=text,
        error=text,
        milliseconds=milliseconds,
    )
    record = AuditRecord(
        method=text,
        decision=Decision.BLOCK,
        reason="policy",
        name=text,
        principal=text,
        request_id=request_id,
        milliseconds=milliseconds,
        request_bytes=size,
        payload=text,
        engines=(verdict,),
    ).as_json()
    assert canonical(record) == canonical_json(record)


@pytest.mark.parametrize(
    ("value", "log"),
    [
        ({"name": "a\ud800"}, b'{"name":"a\\ud800"}'),
        (
            {"name": "a\udfffé", "number": 10**30},
            '{"name":"a\\udfffé","number":1000000000000000000000000000000}'.encode(),
        ),
    ],
)
def test_half_a_surrogate_pair_is_written_by_the_log_and_refused_by_the_model(
    value: dict[str, Any], log: bytes
) -> None:
    """A client may send such a name; a log that cannot be written would close the guard."""
    assert canonical(value) == log
    assert json.loads(log) == value
    with pytest.raises(ValueError, match="surrogate"):
        canonical_json(value)


def test_a_line_with_half_a_surrogate_pair_that_is_in_a_log_already_still_verifies() -> None:
    members = {"version": 1, "sequence": 7, "previous": "0" * 64, "name": "a\ud800", "request_id": 10**30}
    line, digest = seal(members)
    assert line.startswith(b'{"name":"a\\ud800","previous":"000')
    assert unseal(line) == ({**members}, digest)
