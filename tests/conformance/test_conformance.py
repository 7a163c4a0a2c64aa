"""The official suite finds no check worse behind the guard than directly, in either era."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.run import Row, compare, faults, run
from tests.support.node import NotAvailable

PASSING = Row("dns-rebinding-protection", "rejected", "SUCCESS", "SUCCESS")


def test_check_that_falls_or_disappears_behind_the_guard_is_worse() -> None:
    direct = {("a", "one", 0): ("SUCCESS", ""), ("a", "two", 0): ("SUCCESS", ""), ("a", "three", 0): ("FAILURE", "")}
    guarded = {("a", "one", 0): ("WARNING", "slow"), ("a", "three", 0): ("FAILURE", "")}
    rows = compare(direct, guarded)
    assert [row.worse for row in rows] == [True, True, False]
    assert faults([PASSING, *rows]) == [
        "a / one: SUCCESS -> WARNING. slow",
        "a / two: SUCCESS -> absent. ",
    ]


def test_note_of_the_suite_is_no_check_that_could_get_worse() -> None:
    direct = {("a", "seen", 0): ("INFO", ""), ("a", "resumes", 0): ("SUCCESS", "")}
    guarded = {("a", "resumes", 0): ("INFO", "")}
    assert [(row.check, row.worse) for row in compare(direct, guarded)] == [("seen", False), ("resumes", True)]


def test_rebinding_protection_must_pass_behind_the_guard_whatever_the_server_does() -> None:
    missing = "dns-rebinding-protection does not pass behind the guard"
    assert faults([PASSING]) == []
    assert faults([]) == [missing]
    assert faults([Row("dns-rebinding-protection", "rejected", "FAILURE", "FAILURE")]) == [missing]


def test_official_suite_finds_nothing_worse_behind_the_guard(tmp_path: Path) -> None:
    try:
        results = run(tmp_path)
    except NotAvailable as error:
        pytest.skip(f"npm could not fetch the conformance suite, which was not run: {error}")
    assert set(results) == {"2025-11-25", "2026-07-28"}
    assert [fault for rows in results.values() for fault in faults(rows)] == []
    # The suite did its work: a run that found nothing to check would find nothing worse either.
    assert sum(row.guarded == "SUCCESS" for rows in results.values() for row in rows) > 200
