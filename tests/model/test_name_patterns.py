"""A grant spells every name, each in one way; only an open * or ? makes a pattern."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.name_patterns import GRANT_PATTERN, literal, matches
from model.patterns import compile_globs

NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('*?\\[]"{} ab'), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("get_*", "get_ticket", True),
        ("get_*", "GET_ticket", False),
        ("get_?", "get_a", True),
        ("get_?", "get_", False),
        ("*a*b", "xxaxxb", True),
        ("*a*b", "xxaxxbc", False),
        ("Find an Order", "Find an Order", True),
        ("say[1]", "say[1]", True),
        ("say[1]", "say1", False),
        ('"quoted"', '"quoted"', True),
        ("ärende 🎫", "ärende 🎫", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a*b", "a*b", True),
        ("why\\?", "why?", True),
        ("why\\?", "whyx", False),
        ("c:\\\\dir", "c:\\dir", True),
        ("a*", "a\nb", True),
        ("*", "", True),
    ],
)
def test_only_an_open_star_or_question_mark_is_a_wildcard(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected
    assert compile_globs((pattern,))(name) is expected


@given(NAMES, NAMES)
def test_literal_name_matches_itself_alone(name: str, further: str) -> None:
    assert re.fullmatch(GRANT_PATTERN.strip("^$"), literal(name))
    assert matches(literal(name), name)
    assert matches(literal(name), further) is (name == further)


@given(NAMES, NAMES)
def test_plan_and_guard_read_a_pattern_alike(pattern: str, name: str) -> None:
    assert matches(pattern, name) is compile_globs((pattern,))(name)


@pytest.mark.parametrize("pattern", ["", "a\\", "a\\b", "\\", "a\\\\\\"])
def test_backslash_before_anything_else_is_no_pattern(pattern: str) -> None:
    assert re.fullmatch(GRANT_PATTERN.strip("^$"), pattern) is None


def test_pattern_full_of_stars_costs_little() -> None:
    started = time.process_time()
    assert not matches("*a" * 500, "a" * 1000 + "b")
    assert time.process_time() - started < 5
