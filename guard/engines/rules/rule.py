"""What a detection rule is, and how many rules become one automaton. The rules themselves are in the modules beside it.

All patterns are RE2's, so that no text can make them slow. A `PatternSet` matches all triggers in one pass; a rule's own
expression runs only when its trigger matched. The legs share one automaton, as it grows with the texts it reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import re2  # type: ignore[import-untyped]

from guard.engines.rules.pattern_set import MEMORY, PatternSet, options
from guard.inspect.verdict import Category, Leg
from model.parameter_kinds import Subject

#: Bytes before a match that a check is given.
BEFORE = 64
_PLAIN = {
    char: base
    for char in map(chr, [*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1EA0, 0x1EFA)])
    if (base := unicodedata.normalize("NFD", char)[0]) != char
} | {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "ə": "e", "ħ": "h", "ð": "d", "ƙ": "k", "ɗ": "d", "ɓ": "b"}

#: Letters, marks and digits as few ranges: RE2's own classes have hundreds.
LETTERS = (
    r"0-9A-Za-z\x{C0}-\x{559}\x{560}-\x{588}\x{591}-\x{5BD}\x{5BF}-\x{5F2}\x{610}-\x{61A}\x{620}-\x{6D3}\x{6D5}-\x{963}"
    r"\x{966}-\x{1049}\x{1050}-\x{1360}\x{1369}-\x{17D3}\x{17E0}-\x{1FFF}\x{200C}\x{200D}\x{2C00}-\x{2DFF}\x{A640}-\x{ABFF}"
)
_MARKS = r"[\t\n\r \"'(),:;<>*_`-]"
#: Characters that stand in a pattern for what is between two words of a sentence, in which a comma or a quotation mark may stand
#: with the blank, and for a character of a word, in the scripts of all languages. Written out, a table of languages takes megabytes.
BETWEEN, OF_WORD = "\x80", "\x81"
_WRITTEN_OUT = {
    BETWEEN: rf"(?:{_MARKS}{{0,2}}[^{LETTERS}.!?|…]{_MARKS}?)",
    # Any character but ASCII's own marks and the ends of sentences.
    OF_WORD: r"[^\x00-&(-,./:-@\[-^`{-\x7F।۔።։]",
}

#: An accented letter, and the class of it and its plain one.
_ACCENTS = str.maketrans({char: f"[{char}{plain}]" for char, plain in _PLAIN.items()} | _WRITTEN_OUT)

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


def _bare(pattern: str) -> str:
    """The pattern written out, matching text without accents as well, as people type it in haste and `decoding.fold` returns
    it. No character class of a pattern may hold an accented letter."""
    return pattern if pattern.isascii() else pattern.translate(_ACCENTS)


def _flagged(pattern: str, cased: bool) -> str:
    """The pattern with its flags. Strings are joined by line ends, so ``^`` and ``$`` match at the ends of each string."""
    pattern = _bare(pattern)
    return f"(?m:{pattern})" if cased else f"(?mi:{pattern})"


@lru_cache(maxsize=2048)
def expression(pattern: str, cased: bool, captures: bool) -> Any:
    """The compiled pattern, shared by all legs, made when its trigger first matches: all of them take 0.3 s and 10 MB."""
    flagged = _flagged(pattern, cased)
    try:
        return re2.compile(flagged, options(captures=captures))
    except re2.error:  # a rule made from the names of very many tools
        return re2.compile(flagged, options(captures=captures, memory=MEMORY))


#: An escape or a class of characters; within it, a class of Unicode's.
_TOKEN = re.compile(r"\\p[LMN]|\\.|\[(?:\\.|[^\]\\])*\]")
_UNICODE = re.compile(r"\\p([LMN])|\\.")
_PLAIN_OF = {"L": "A-Za-z", "M": "", "N": "0-9"}
_FOREIGN = r"\x{80}-\x{10FFFF}"


def _widened(token: re.Match[str]) -> str:
    if token[0].startswith("[^"):
        return _UNICODE.sub(lambda escape: _PLAIN_OF[escape[1]] if escape[1] else escape[0], token[0])
    wide = _UNICODE.sub(lambda escape: _PLAIN_OF[escape[1]] + _FOREIGN if escape[1] else escape[0], token[0])
    return f"[{wide}]" if token[0].startswith(r"\p") else wide


def _trigger(rule: DetectionRule) -> str:
    """The trigger, with any foreign character for a letter, mark or digit. Unicode's own classes have hundreds of ranges: with them
    the automata of all triggers took 0.5 s and 69 MB to make, without them 0.2 s and 21 MB."""
    return _widened_pattern(rule.trigger or rule.pattern, rule.cased)


@lru_cache(maxsize=8)
def _widened_pattern(pattern: str, cased: bool) -> str:
    """A trigger's pattern as an automaton has it; kept for the next rule, as many share one."""
    return _flagged(_TOKEN.sub(_widened, pattern), cased)


class TriggerSet(PatternSet):
    """The triggers of many rules. Raises ValueError when a pattern is wrong."""

    def __init__(self, rules: Iterable[DetectionRule], memory: int = MEMORY) -> None:
        super().__init__(map(_trigger, rules), memory)

    def number_of(self, rule: DetectionRule) -> int:
        """The number of the rule's trigger; raises KeyError for a rule that is not in the set."""
        return self.number(_trigger(rule))


#: What automata told of one text: tables that share one read the text once.
Passes = dict[TriggerSet, list[int] | None]


class RuleTable:
    """The rules of one leg. `triggers` is an automaton that holds theirs among others; without it they get their own, of
    `memory` bytes. Where that is too little, the rules are applied one by one, which is slower and finds the same.

    Raises ValueError when a pattern is wrong.
    """

    def __init__(
        self, rules: Sequence[DetectionRule], memory: int = MEMORY, *, triggers: TriggerSet | None = None
    ) -> None:
        self._triggers = triggers or TriggerSet(rules, memory)
        self._rules = list(rules)
        #: The places of the rules in the table, by the number of their trigger: a text hits few of many rules.
        self._places: dict[int, list[int]] = defaultdict(list)
        for place, rule in enumerate(rules):
            self._places[self._triggers.number_of(rule)].append(place)

    @property
    def one_pass(self) -> bool:
        """Whether all triggers fit into one automaton."""
        return self._triggers.one_pass

    def hits(self, data: bytes, passes: Passes | None = None) -> list[tuple[DetectionRule, Any]]:
        """The rules that may match in `data` (UTF-8), with their expressions: those whose trigger matches, or all rules when
        the pass ran out of memory. `passes` are those over the same data so far."""
        passes = {} if passes is None else passes
        if self._triggers not in passes:
            passes[self._triggers] = self._triggers.hits(data)
        matches = passes[self._triggers]
        if matches is None:
            rules = self._rules
        elif len(matches) == 1:  # the end alone, as in most texts
            return []
        else:
            places = chain.from_iterable(self._places.get(number, ()) for number in matches)
            rules = [self._rules[place] for place in sorted(places)]
        return [(rule, expression(rule.pattern, rule.cased, rule.group > 0)) for rule in rules]

    def places(
        self, data: bytes, passes: Passes | None = None
    ) -> Sequence[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        """The rules that may match in `data`, each with the places where it does, which are looked for as they are read."""
        return [(rule, spans(expression, rule.group, data)) for rule, expression in self.hits(data, passes)]


def spans(expression: Any, group: int, data: bytes) -> Iterator[tuple[int, int]]:
    """Byte offsets of `group` in every match."""
    for match in expression.finditer(data):
        yield match.span(group)
