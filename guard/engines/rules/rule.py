"""What a rule is, and how many rules become one automaton.

All patterns are RE2's, so that no text can make them slow. `re2.Set` runs all of a leg's triggers in one pass; a rule's own
expression runs only when its trigger was seen. Triggers hold no wide counted repetition: those would multiply the
automaton's states.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from guard.inspect.verdict import Category, Leg

#: Characters before a match that a check may look at.
BEFORE = 64
#: Bytes for the automaton of one leg's triggers.
MEMORY = 64 << 20
#: Stands behind every text and has a pattern of its own: RE2's sets answer "nothing" when a pass runs out of memory, which
#: would let everything pass; a pass that does not report the sentinel is no answer.
_SENTINEL = b"\n\x1f\x1eend\x1e\x1f"

_PLAIN = {
    char: base
    for char in map(chr, [*range(0xC0, 0x250), *range(0x1EA0, 0x1EFA)])
    if (base := unicodedata.normalize("NFD", char)[0]) != char
} | {"ø": "o", "đ": "d", "ł": "l", "ı": "i"}

#: Sees the matched value and what stands before the match.
Check = Callable[[str, str], bool]

ALL = frozenset(Leg)
#: What a model reads that somebody else wrote.
READ = frozenset((Leg.RESULTS, Leg.PROMPTS, Leg.RESOURCES, Leg.SERVER_REQUESTS))


@dataclass(frozen=True, slots=True)
class Rule:
    """`trigger` must match wherever `pattern` does (the pattern itself when empty). `group` is what a check sees and what
    a span covers. Patterns ignore case unless `cased`. `cut` says of a match whether its span covers all of the secret."""

    id: str
    category: Category
    pattern: str
    legs: frozenset[Leg] = ALL
    trigger: str = ""
    cased: bool = False
    check: Check | None = None
    group: int = 0
    confidence: float = 0.8
    cut: Callable[[str], bool] | None = None

    @property
    def redactable(self) -> bool:
        return self.category in (Category.SECRET, Category.PERSONAL_DATA)


def gap(words: int) -> str:
    """At most so many words within one sentence, and what stands between them."""
    return rf"[^\w.!?]+(?:[\pL\pN_'’-]+[^\w.!?]+){{0,{words}}}"


def _options(*, captures: bool = True, memory: int = MEMORY) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    options.never_capture = not captures
    return options


def _bare(pattern: str) -> str:
    """The same pattern for text without accents too, as it is typed in haste and as `decoding.fold` reads it. No class
    of a pattern may hold an accented letter."""
    if pattern.isascii():
        return pattern
    return "".join(f"[{char}{plain}]" if (plain := _PLAIN.get(char)) else char for char in pattern)


def _flagged(pattern: str, cased: bool) -> str:
    """Strings are joined by line ends, so a line's ends are a string's."""
    pattern = _bare(pattern)
    return f"(?m:{pattern})" if cased else f"(?mi:{pattern})"


@lru_cache(maxsize=1024)
def _expression(pattern: str, cased: bool, captures: bool) -> Any:
    """Compiled once for all legs."""
    return re2.compile(_flagged(pattern, cased), _options(captures=captures))


def _compiled(triggers: Any) -> bool:
    try:
        triggers.Compile()
    except re2.error:
        return False
    return True


class Table:
    """The rules of one leg. `memory` is what the automaton of all triggers may take, in bytes; rules that do not fit are
    applied one by one, which is slower and finds the same.

    Raises ValueError when a pattern is wrong.
    """

    def __init__(self, rules: Sequence[Rule], memory: int = MEMORY) -> None:
        self._rules: list[tuple[Rule, Any]] = []
        triggers = re2.Set.SearchSet(_options(memory=memory))
        try:
            for rule in rules:
                triggers.Add(_flagged(rule.trigger or rule.pattern, rule.cased))
                self._rules.append((rule, _expression(rule.pattern, rule.cased, rule.group > 0)))
            triggers.Add(re2.escape(_SENTINEL.decode()))
        except re2.error:
            raise ValueError("a detection rule cannot be compiled") from None
        # A set that was not compiled must never be asked: RE2 then reads past its end.
        self._set: Any = triggers if _compiled(triggers) else None

    @property
    def one_pass(self) -> bool:
        """Whether all triggers fit into one automaton."""
        return self._set is not None

    def hits(self, data: bytes) -> list[tuple[Rule, Any]]:
        """Rules that may stand in `data` (UTF-8), with their expressions: those whose trigger does, or all of them when
        the one pass ran out of memory."""
        matches = self._set.Match(data + _SENTINEL) if self._set is not None else None
        if not matches or len(self._rules) not in matches:
            return list(self._rules)
        return [self._rules[index] for index in sorted(matches) if index < len(self._rules)]


def spans(expression: Any, group: int, data: bytes) -> Iterator[tuple[int, int]]:
    """Byte offsets of `group` in every match."""
    for match in expression.finditer(data):
        yield match.span(group)
