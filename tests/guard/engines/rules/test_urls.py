"""Addresses that carry data away: what the query of an image says, and how long it takes to tell."""

from __future__ import annotations

import time

from guard.engines.rules.urls import carries_data


def test_query_of_nothing_but_question_marks_is_read_in_linear_time() -> None:
    """Read on to the end from each of them, a megabyte took a minute."""
    started = time.process_time()
    assert not carries_data("https://a.example/" + "?a" * 200_000, "")
    assert time.process_time() - started < 5


def test_long_value_is_found_behind_further_question_marks() -> None:
    assert carries_data("https://a.example/?x?y?z=" + "a1" * 12, "")
