"""A pattern finds the same places with few of Unicode's ranges, and the automata of the signs do not run full."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import re2  # type: ignore[import-untyped]

from guard.engines.embedded import _RULES
from guard.engines.rules.expression import Expression, flagged, lean
from guard.engines.rules.grammar import GROUPS, SIGNS
from guard.engines.rules.pattern_set import PatternSet, options

CORPORA = sorted((Path(__file__).parents[2] / "detection").glob("*.jsonl"))
PATTERNS = dict.fromkeys(
    [*((rule.pattern, rule.cased, rule.group) for rule in _RULES), *((sign.expression, False, 0) for sign in SIGNS)]
)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from strings(member)


TEXTS = [
    text
    for corpus in CORPORA
    for line in corpus.read_text(encoding="utf-8").splitlines()
    for text in strings(json.loads(line)["text"])
]
ASCII = "\n".join(text for text in TEXTS if text.isascii()).encode()
FOREIGN = "\n".join(text for text in TEXTS if not text.isascii()).encode()


def places(pattern: str, cased: bool, group: int, data: bytes) -> list[tuple[int, int]]:
    return [match.span(group) for match in re2.compile(flagged(pattern, cased), options()).finditer(data)]


@pytest.mark.parametrize("data", [ASCII, FOREIGN], ids=["ascii", "foreign"])
def test_every_pattern_finds_with_few_ranges_what_it_finds_with_all(data: bytes) -> None:
    shortened = [key for key in PATTERNS if lean(key[0]) != key[0]]
    assert len(shortened) > 200
    found = 0
    for pattern, cased, group in shortened:
        spans = list(Expression(pattern, cased, group).spans(data))
        assert spans == places(pattern, cased, group, data), pattern
        found += len(spans)
    assert found > 100


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"a\pL*b", "a—b ab aжb a—b"),
        (r"\pL+", "— é — ü"),
        (r"[^\pL]x", "—x жx 1x"),
        (r"\pN\pL", "७— ७к १a"),
        (r"a\pL", "a— a— a—"),
    ],
)
def test_a_foreign_mark_is_no_letter(pattern: str, text: str) -> None:
    data = text.encode()
    assert list(Expression(pattern, False, 0).spans(data)) == places(pattern, False, 0, data)


def test_the_automata_of_the_signs_keep_what_they_have_seen_of_a_text_of_attacks() -> None:
    """With all claims in one it ran full, and took two seconds: two thousand times what one plain pattern takes."""
    shuffled = [text for turn in range(5) for text in random.Random(turn).sample(TEXTS, len(TEXTS))]  # noqa: S311 - any order
    data = "\n".join(shuffled).encode()
    plain = least(PatternSet([r"(?i)ignore [a-z]+ instructions"]), data)
    for group in GROUPS:
        automaton = PatternSet([flagged(lean(sign.trigger_expression), False) for sign in group])
        assert least(automaton, data) < 300 * plain


def least(automaton: PatternSet, data: bytes) -> float:
    """The least processor time of a few passes, the first of which meets everything for the first time."""
    spent = []
    for _ in range(4):
        begun = time.process_time()
        assert automaton.hits(data) is not None
        spent.append(time.process_time() - begun)
    return min(spent)
