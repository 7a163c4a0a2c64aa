"""A short soak: the books of clients, server and audit log agree after faults, restarts and disconnects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.soak.run import Tally, books, run


def record(id: str, leg: str = "arguments", decision: str = "allow") -> dict[str, Any]:
    return {"method": "tools/call", "request_id": id, "leg": leg, "decision": decision}


def test_books_show_a_call_that_was_forwarded_without_a_verdict() -> None:
    tally = Tally(kinds={"c-1": "plain", "c-2": "flagged"}, answered={"c-1": "result", "c-2": "tool error"})
    whole = [record("c-1"), record("c-1", "results"), record("c-2", decision="block")]
    assert books(tally, [("echo", "c-1")], whole) == []
    assert books(tally, [("echo", "c-1"), ("echo", "c-2")], whole) == [
        "1 x reached the server without a verdict that let it pass: c-2",
        "1 x reached the server though it is to be refused: c-2",
    ]


def test_books_show_an_audit_record_that_was_lost() -> None:
    tally = Tally(kinds={"c-1": "plain"}, answered={"c-1": "result"})
    assert books(tally, [("echo", "c-1")], [record("c-1")]) == ["1 x gave a result and has no record of it: c-1"]
    assert "1 x was answered and has no audit record: c-1" in books(tally, [("echo", "c-1")], [])


def test_books_take_a_count_of_refusals_for_records_of_refusals_alone() -> None:
    first = record("c-1", decision="refuse")
    tally = Tally(kinds={"c-1": "plain", "c-2": "plain"}, answered={"c-1": "error -32602", "c-2": "error -32602"})
    assert books(tally, [], [first, {**record("", decision="refuse"), "repeats": 1}]) == []
    assert books(tally, [], [first]) == ["1 x was answered and has no audit record: c-2"]
    tally.answered["c-2"] = "tool error"
    assert books(tally, [], [first, {**record("", decision="refuse"), "repeats": 1}]) != []


def test_soak_balances_its_books(tmp_path: Path) -> None:
    found = run(tmp_path, calls=600, clients=8, seed=7)
    assert found.faults == []
    # What it was run for did happen.
    assert found.restarts == 3
    assert found.forwarded > 60  # on a machine that many share, engines that are late keep most calls back
    assert found.tally.left
    assert found.vendor.keys() >= {"flagged", "500"}
    assert {"plain: result", "unknown: error -32602", "override: tool error"} <= found.tally.counts().keys()
