from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.audit.chain import MAX_UNSIGNED, ZERO, AuditReport, ChainVerifier, SignedHead, seal
from guard.audit.reader import verify
from tests.guard.audit.conftest import KEY, written

PUBLIC = KEY.public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """start, head, open, 8 decisions, close, head."""
    return written(tmp_path_factory.mktemp("log") / "audit.jsonl", 8)


def judge(data: bytes, anchors: list[SignedHead] | None = None, key: bool = False) -> AuditReport:
    """As `verify` judges a file, without one: `data` is cut into lines as a file is."""
    verifier = ChainVerifier([PUBLIC] if key else [], anchors)
    for number, line in enumerate(_split(data), 1):
        if not verifier.feed("audit.jsonl", number, line):
            break
    return verifier.finish()


def _split(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def heads_of(data: bytes) -> list[SignedHead]:
    records = map(json.loads, data.splitlines())
    return [SignedHead.from_json(record["details"]) for record in records if record["kind"] == "head"]


def rebuilt(data: bytes, change: Callable[[dict[str, Any]], None], key: Ed25519PrivateKey | None) -> bytes:
    """The log as somebody writes it anew who may write the file and has `key`, or keeps the old signatures."""
    out, previous = b"", ZERO
    for record in map(json.loads, data.splitlines()):
        del record["hash"]
        change(record)
        record["previous"] = previous
        if record["kind"] == "head":
            head = dataclasses.replace(SignedHead.from_json(record["details"]), hash=previous)
            if key:
                head = SignedHead.sign(key, server=head.server, sequence=head.sequence, hash=previous, time=head.time)
            record["details"] = head.as_json()
        line, previous = seal(record)
        out += line
    return out


def allow_tool_3(record: dict[str, Any]) -> None:
    if record.get("name") == "tool_3":
        record["decision"] = "block"


def test_a_log_as_written_holds(log: bytes) -> None:
    report = judge(log, heads_of(log), key=True)
    assert report.broken is None
    assert (report.records, report.heads, report.unsigned, report.anchors_found) == (13, 2, 0, 2)


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_any_byte_changed_breaks_the_log(log: bytes, mask: int) -> None:
    passed = []
    for at in range(len(log)):
        data = bytearray(log)
        data[at] ^= mask
        if judge(bytes(data)).ok:
            passed.append(at)
    assert passed == []


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_bytes_within_the_log_breaks_it(log: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(log) - 1))
    end = data.draw(st.integers(begin, min(len(log), begin + 40)))
    new = log[:begin] + data.draw(st.binary(max_size=40)) + log[end:]
    whole = [log[: at + 1] for at in range(len(log)) if log[at : at + 1] == b"\n"]
    # What remains of a log cut after a whole record is a log: only heads kept elsewhere show it (next test but two).
    assert judge(new).ok == (new in whole)


def test_any_record_removed_repeated_or_swapped_breaks_the_log_at_its_place(log: bytes) -> None:
    lines = log.splitlines(keepends=True)
    for at in range(len(lines)):
        twice = judge(b"".join([*lines[: at + 1], *lines[at:]]))
        assert twice.broken is not None
        assert twice.broken.line == at + 2
        if at + 1 < len(lines):
            gone = judge(b"".join([*lines[:at], *lines[at + 1 :]]))
            assert gone.broken is not None
            assert gone.broken.line == at + 1
            swapped = judge(b"".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]))
            assert swapped.broken is not None
            assert swapped.broken.line == at + 1


def test_the_first_break_is_named_by_file_line_and_problem(log: bytes) -> None:
    report = judge(log.replace(b'"name":"tool_2"', b'"name":"tool_9"'))
    assert str(report.broken) == "audit.jsonl:6: its hash does not match its content"


def test_a_log_cut_at_its_end_is_shown_by_an_anchored_head_alone(log: bytes) -> None:
    lines, anchors = log.splitlines(keepends=True), heads_of(log)
    for keep in range(2, 12):
        cut = b"".join(lines[:keep])
        assert judge(cut, key=True).ok
        report = judge(cut, anchors, key=True)
        assert str(report.broken) == (
            f"audit.jsonl: ends at record {keep}, but record 12 was anchored: its end was cut or rewritten"
        )


def test_a_rewritten_chain_without_the_key_is_shown_by_the_signatures(log: bytes) -> None:
    forged = rebuilt(log, allow_tool_3, key=None)
    assert judge(forged).ok, "the bare chain cannot show it"
    assert str(judge(forged, key=True).broken) == "audit.jsonl:13: head: its signature is wrong"
    resigned = judge(rebuilt(log, allow_tool_3, key=OTHER), key=True)
    assert resigned.broken is not None
    assert "which was not given" in resigned.broken.problem


def test_a_rewritten_chain_signed_anew_with_the_key_is_shown_by_an_anchor(log: bytes) -> None:
    forged = rebuilt(log, allow_tool_3, key=KEY)
    assert judge(forged, key=True).ok, "root on the host can do this"
    report = judge(forged, heads_of(log), key=True)
    assert str(report.broken) == "audit.jsonl:12: record 12 is not the one that was anchored: the chain was rewritten"


def test_a_log_begun_anew_is_shown_by_an_anchor_though_it_grew_past_it(log: bytes, tmp_path: Path) -> None:
    assert not judge(written(tmp_path / "new.jsonl", 50), heads_of(log)).ok


def test_anchors_that_speak_of_no_kept_record_prove_nothing_and_fail(log: bytes) -> None:
    assert not judge(log, []).ok


def test_anchors_of_another_server_or_with_a_bad_signature_fail(log: bytes) -> None:
    first, last = heads_of(log)
    forged = dataclasses.replace(last, time="2030-01-01T00:00:00.000000Z")
    assert str(judge(log, [first, forged], key=True).broken) == "anchors:2: anchored head 12: its signature is wrong"
    assert not judge(log, [dataclasses.replace(last, server="dev.other")]).ok


def test_heads_of_other_servers_in_the_collectors_file_do_not_matter(log: bytes) -> None:
    first, last = heads_of(log)
    stranger = Ed25519PrivateKey.generate()
    other = SignedHead.sign(stranger, server="dev.other", sequence=12, hash="0" * 64, time=last.time)
    newer = dataclasses.replace(other, sequence=99)
    report = judge(log, [other, first, newer, last], key=True)
    assert (report.broken, report.anchors, report.anchors_found) == (None, 2, 2)


def test_two_anchored_heads_that_differ_for_one_record_show_a_fork(log: bytes) -> None:
    last = heads_of(log)[-1]
    report = judge(
        log, [last, SignedHead.sign(KEY, server="dev.desk", sequence=12, hash="0" * 64, time=last.time)], key=True
    )
    assert report.broken is not None
    assert "the log forked" in report.broken.problem


def test_a_long_run_without_a_head_is_refused_when_a_key_is_given() -> None:
    """Else whoever cannot sign would leave the heads out."""
    verifier = ChainVerifier([PUBLIC])
    previous, fed = ZERO, True
    for number in range(1, MAX_UNSIGNED + 2):
        kind = "start" if number == 1 else "decision"
        base = {"version": 1, "kind": kind, "sequence": number, "server": "s", "previous": previous, "details": {}}
        line, previous = seal(base)
        fed = verifier.feed("a", number, line)
    assert not fed
    assert "without a signed head" in str(verifier.finish().broken)


def test_an_empty_or_absent_beginning_is_broken(log: bytes) -> None:
    assert not judge(b"").ok
    assert not judge(b"".join(log.splitlines(keepends=True)[1:])).ok


def test_a_line_that_never_ends_is_refused_without_being_held(tmp_path: Path, log: bytes) -> None:
    file = tmp_path / "audit.jsonl"
    with open(file, "wb") as stream:
        stream.write(log)
        stream.truncate(len(log) + 400_000_000)  # a sparse run of NUL
    report = verify(file)
    assert str(report.broken) == f"{file}:14: not a complete audit record"


def chain(*changes: dict[str, Any]) -> bytes:
    """Lines whose hashes all hold, linked and numbered unless a change says otherwise."""
    out, previous = b"", ZERO
    for number, change in enumerate(changes, 1):
        base = {
            "version": 1,
            "kind": "decision",
            "sequence": number,
            "server": "s",
            "previous": previous,
            "details": {},
        }
        line, previous = seal({**base, **change})
        out += line
    return out


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"previous": "1" * 64}, "record 2 does not continue the record before it"),
        ({"sequence": 3}, "record 3 stands where record 2 is expected"),
        ({"sequence": True}, "has no sequence and previous hash"),
        ({"server": "other"}, "record 2 is of another server"),
        ({"kind": "start"}, "a file begins with a start record, and only after a rotate record"),
        ({"version": 2}, "not a record of format version 1"),
        ({"kind": None}, "has no kind"),
        ({"kind": "head"}, "not a signed head"),
    ],
)
def test_a_record_whose_hash_holds_must_still_belong_where_it_stands(change: dict[str, Any], problem: str) -> None:
    assert judge(chain({"kind": "start"}, {})).ok
    assert str(judge(chain({"kind": "start"}, change)).broken) == f"audit.jsonl:2: {problem}"


def test_a_file_begins_only_after_the_one_before_it_said_so() -> None:
    lines = chain({"kind": "start"}, {}, {"kind": "start"}).splitlines(keepends=True)
    verifier = ChainVerifier()
    assert verifier.feed("a.1", 1, lines[0])
    assert verifier.feed("a.1", 2, lines[1])
    assert not verifier.feed("a", 1, lines[2])


def test_a_line_that_two_readers_could_take_differently_is_refused_though_its_hash_holds() -> None:
    line = chain({"kind": "start", "details": {"bundle": "a"}})
    for body in (
        line[:-76].replace(b'{"bundle":"a"}', b'{"bundle":"b","bundle":"a"}') + b"}",
        line[:-76].replace(b'"kind"', b' "kind"') + b"}",
    ):
        forged = b'%b,"hash":"%b"}\n' % (body[:-1], hashlib.sha256(body).hexdigest().encode())
        assert str(judge(forged).broken) == "audit.jsonl:1: not canonical JSON"
