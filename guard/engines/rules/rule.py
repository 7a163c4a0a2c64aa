"""What a detection rule is, and how many rules become one automaton. The rules themselves are in the modules beside it.

All patterns are RE2's, so that no text can make them slow. A `PatternSet` matches all triggers in one pass; a rule's own
expression runs only when its trigger matched. The legs share one automaton, as it grows with the texts it reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from guard.engines.rules.expression import Expression, expression, flagged, lean
from guard.engines.rules.pattern_set import MEMORY, PatternSet
from guard.inspect.verdict import Category, Leg
from model.parameter_kinds import Subject

#: Bytes before a match that a check is given.
BEFORE = 64
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
    of an `advisory` rule is recorded and taints its reader, and stops nothing. A `fallback` counts only in strings in which no other
    rule found what steers a model, so that who accepts that finding has accepted both."""

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
    fallback: bool = False

    @property
    def redactable(self) -> bool:
        return self.category in (Category.SECRET, Category.PERSONAL_DATA)


def injection_rule(
    id_: str, pattern: str, *, legs: frozenset[Leg] = ALL, confidence: float = 0.8, **options: object
) -> DetectionRule:
    """A rule for text that gives a model orders, with further `options` of `DetectionRule`."""
    return DetectionRule(f"injection.{id_}", Category.INJECTION, pattern, legs=legs, confidence=confidence, **options)  # type: ignore[arg-type]


def members(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


def gap(words: int) -> str:
    """A pattern for at most this many words within one sentence, with the separators between them."""
    return rf"[^\w.!?]+(?:[\pL\pN_'’-]+[^\w.!?]+){{0,{words}}}"


def _trigger(rule: DetectionRule) -> str:
    """The trigger, lean: with Unicode's own classes the automata of all triggers took 0.5 s and 69 MB to make, without them 0.2 s
    and 21 MB."""
    return flagged(lean(rule.trigger or rule.pattern), rule.cased)


class TriggerSet(PatternSet):
    """The triggers of many rules. Raises ValueError when a pattern is wrong."""

    def __init__(self, rules: Iterable[DetectionRule], memory: int = MEMORY) -> None:
        super().__init__(map(_trigger, rules), memory)

    def number_of(self, rule: DetectionRule) -> int:
        """The number of the rule's trigger; raises KeyError for a rule that is not in the set."""
        return self.number(_trigger(rule))


#: What automata told of one text: tables that share one read the text once.
Passes = dict[TriggerSet, list[int] | None]
#: Whether a further match of a rule would tell nothing new of the text.
Settled = Callable[[DetectionRule], bool]


def never(rule: DetectionRule) -> bool:
    """`Settled` for whoever wants every match."""
    return False


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

    def hits(self, data: bytes, passes: Passes | None = None) -> list[tuple[DetectionRule, Expression]]:
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
        return [(rule, expression(rule.pattern, rule.cased, rule.group)) for rule in rules]

    def places(
        self, data: bytes, passes: Passes | None = None, settled: Settled = never
    ) -> Sequence[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        """The rules that may match in `data` and are not settled, each with the places where it does, which are looked for as
        they are read."""
        return [
            (rule, pattern_expression.spans(data))
            for rule, pattern_expression in self.hits(data, passes)
            if not settled(rule)
        ]
