"""What a detection rule is, and how many rules become one automaton. The rules themselves are in the modules beside it.

All patterns are RE2's, so that no text can make them slow. `re2.Set` matches all triggers of a leg in one pass; a rule's
own expression runs only when its trigger matched. Triggers hold no wide counted repetition, as that would multiply the
automaton's states.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from guard.inspect.verdict import Category, Leg
from model.parameter_kinds import Subject

#: Bytes before a match that a check is given.
BEFORE = 64
#: Bytes for the automaton of one leg's triggers.
MEMORY = 64 << 20
#: Appended to every text, with a pattern of its own: an RE2 set answers "no match" when a pass runs out of memory, which
#: would let everything pass. A pass that does not report the sentinel is therefore no answer.
_SENTINEL = b"\n\x1f\x1eend\x1e\x1f"

_PLAIN = {
    char: base
    for char in map(chr, [*range(0xC0, 0x250), *range(0x1EA0, 0x1EFA)])
    if (base := unicodedata.normalize("NFD", char)[0]) != char
} | {"ø": "o", "đ": "d", "ł": "l", "ı": "i"}

#: Bytes after a match that `DetectionRule.context` is given.
AFTER = 160

#: Called with the matched value and the text before the match; False drops the match.
Check = Callable[[str, str], bool]
#: Called with the matched value, the text before it and the text after it; False drops the match.
Context = Callable[[str, str, str], bool]

ALL = frozenset(Leg)
#: The legs that a model reads and somebody else wrote.
READ = frozenset((Leg.RESULTS, Leg.PROMPTS, Leg.RESOURCES, Leg.SERVER_REQUESTS))


@dataclass(frozen=True, slots=True)
class DetectionRule:
    """One detection rule. `trigger` must match wherever `pattern` does; empty, it is the pattern itself. `group` is the part
    of the match that `check` and `context` get and the span covers. Patterns ignore case unless `cased`. `cut` tells whether
    the span of a match covers the whole secret. In arguments a rule with a `subject` judges only those that may hold it. A match
    of an `advisory` rule is recorded and taints its reader, and stops nothing."""

    id: str
    category: Category
    pattern: str
    legs: frozenset[Leg] = ALL
    trigger: str = ""
    cased: bool = False
    check: Check | None = None
    context: Context | None = None
    group: int = 0
    confidence: float = 0.8
    cut: Callable[[str], bool] | None = None
    subject: Subject | None = None
    advisory: bool = False

    @property
    def redactable(self) -> bool:
        return self.category in (Category.SECRET, Category.PERSONAL_DATA)


def members(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


def gap(words: int) -> str:
    """A pattern for at most this many words within one sentence, with the separators between them."""
    return rf"[^\w.!?]+(?:[\pL\pN_'’-]+[^\w.!?]+){{0,{words}}}"


def _options(*, captures: bool = True, memory: int = MEMORY) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    options.never_capture = not captures
    return options


def _bare(pattern: str) -> str:
    """The pattern, matching text without accents as well, as people type it in haste and `decoding.fold` returns it. No
    character class of a pattern may hold an accented letter."""
    if pattern.isascii():
        return pattern
    return "".join(f"[{char}{plain}]" if (plain := _PLAIN.get(char)) else char for char in pattern)


def _flagged(pattern: str, cased: bool) -> str:
    """The pattern with its flags. Strings are joined by line ends, so ``^`` and ``$`` match at the ends of each string."""
    pattern = _bare(pattern)
    return f"(?m:{pattern})" if cased else f"(?mi:{pattern})"


@lru_cache(maxsize=1024)
def _expression(pattern: str, cased: bool, captures: bool) -> Any:
    """The compiled pattern, shared by all legs."""
    return re2.compile(_flagged(pattern, cased), _options(captures=captures))


def _compiled(triggers: Any) -> bool:
    try:
        triggers.Compile()
    except re2.error:
        return False
    return True


class RuleTable:
    """The rules of one leg. The automaton of all triggers may take `memory` bytes; if it needs more, the rules are applied
    one by one, which is slower and finds the same.

    Raises ValueError when a pattern is wrong.
    """

    def __init__(self, rules: Sequence[DetectionRule], memory: int = MEMORY) -> None:
        self._rules: list[tuple[DetectionRule, Any]] = []
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

    def hits(self, data: bytes) -> list[tuple[DetectionRule, Any]]:
        """The rules that may match in `data` (UTF-8), with their expressions: those whose trigger matches, or all rules when
        the pass ran out of memory."""
        matches = self._set.Match(data + _SENTINEL) if self._set is not None else None
        if not matches or len(self._rules) not in matches:
            return list(self._rules)
        return [self._rules[index] for index in sorted(matches) if index < len(self._rules)]

    def places(self, data: bytes) -> Iterator[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        """The rules that may match in `data`, each with the places where it does."""
        return ((rule, spans(expression, rule.group, data)) for rule, expression in self.hits(data))


def spans(expression: Any, group: int, data: bytes) -> Iterator[tuple[int, int]]:
    """Byte offsets of `group` in every match."""
    for match in expression.finditer(data):
        yield match.span(group)
