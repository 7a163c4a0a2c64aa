"""Adds up the signs of the grammar: a text that claims authority, and then orders, is a finding whatever its words are.

The signs are in `guard.engines.rules.grammar`. One pass of RE2 tells which of them occur at all; their
places are looked at only where those could reach the threshold of the leg, in one further pass over the text for each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from heapq import merge
from itertools import chain
from typing import NamedTuple

from guard.engines.mentions import SPAN, is_mention
from guard.engines.paragraphs import is_apart, is_impersonal, is_negated
from guard.engines.rules.behaviour import LEGS
from guard.engines.rules.contexts import (
    is_done_secretly,
    is_marked_and_no_document,
    is_marked_order,
    is_order,
    is_wanted,
)
from guard.engines.rules.expression import Expression, expression
from guard.engines.rules.grammar import GROUPS, SIGNS
from guard.engines.rules.rule import AFTER, BEFORE, READ, DetectionRule, Passes, RuleTable, Settled, never
from guard.engines.rules.sign import FRAMES, ORDERING, THRESHOLDS, Family, Sign
from guard.inspect.verdict import Category, Leg

#: Bytes over which signs belong together: the frame of an "important message" with the three sentences of its order.
NEAR = 700
#: Bytes over which one mark of a sign stands for all, so that a text full of them costs no more than its length.
APART = 64
#: Bytes that are looked over before what they hold is added up.
STRIDE = 1 << 17
#: Roles and modes are in every story and manual, so that in what is read it takes one more.
_JAILBREAKS = (Family.ROLE, Family.LICENCE, Family.MODE)


def _rule(family: Family) -> DetectionRule:
    category = Category.JAILBREAK if family in _JAILBREAKS else Category.INJECTION
    # A form has no pattern of its own: its signs have.
    return DetectionRule(f"{category}.form_{family}", category, "", frozenset(THRESHOLDS), confidence=0.6)


#: The rule that a finding is named by: that of the family whose sign is the heaviest of the frame.
RULES = {family: _rule(family) for family in Family if family in FRAMES}
#: The same where the sum is only close to the threshold: the reader is tainted, and nothing is stopped.
_CLOSE_RULES = {family: replace(rule, advisory=True) for family, rule in RULES.items()}
#: The weight of a sign that is enough by itself.
HEAVIEST = 6
#: By how much a sum may miss the threshold and still taint.
CLOSE = 1


@lru_cache(maxsize=1)
def _signs() -> tuple[tuple[RuleTable, ...], dict[str, Sign]]:
    """The tables of all signs, and the signs by the ids that they have in them."""
    named = {f"{sign.family}.{number}": sign for number, sign in enumerate(SIGNS)}
    names = {sign: name for name, sign in named.items()}
    return tuple(RuleTable([_sign_rule(names[sign], sign) for sign in group]) for group in GROUPS), named


def _sign_rule(name: str, sign: Sign) -> DetectionRule:
    return DetectionRule(name, Category.INJECTION, sign.expression, trigger=sign.trigger_expression)


class Mark(NamedTuple):
    """One place of a sign, in bytes."""

    start: int
    end: int
    sign: Sign


#: Whether a mark stands in a paragraph or string of its own, which is asked where it matters.
Apart = Callable[[Mark], bool]
#: Whether a mark of a family is meant, by the text before it, its words and the text after it.
Meant = Callable[[Sign, str, str, str], bool]


_START = Mark(0, 0, SIGNS[0])
#: Where a mark is near every other and within none.
_ANYWHERE = sys.maxsize
#: Where a sign begins that has the end of the sentence before it in its match.
_FIRST_LETTER = re.compile(rb"[^\s.!?:;>*\"#/]|$")
#: What must hold around a mark of a family for it to be meant.
_CONTEXTS = {
    Family.AUTHORITY: is_marked_and_no_document,
    Family.OVERRIDE: is_order,
    Family.THEFT: is_wanted,
    Family.SECRECY: is_done_secretly,
}


class FormTable:
    """The grammar with the threshold of one leg."""

    def __init__(self, leg: Leg) -> None:
        self._leg, self._threshold = leg, THRESHOLDS[leg]
        self._close = self._threshold - (CLOSE if leg in LEGS else 0)
        self._tables, self._named = _signs()

    @property
    def one_pass(self) -> bool:
        """Whether the signs of each group fit into one automaton."""
        return all(table.one_pass for table in self._tables)

    def places(
        self, data: bytes, passes: Passes | None = None, settled: Settled = never
    ) -> Iterable[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        """The rules that match in `data` (UTF-8), each with one place; an empty sequence where no signs could add up.

        It ends where all rules that could follow are settled.
        """
        hits = [
            (self._named[rule.id], expression)
            for table in self._tables
            for rule, expression in table.hits(data, passes)
        ]
        if not hits or not self._reaches(sign for sign, _ in hits):
            return ()
        return self._sums(hits, data, settled)

    def _sums(
        self, hits: Sequence[tuple[Sign, Expression]], data: bytes, settled: Settled
    ) -> Iterator[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        open_rules = self._unsettled(self._rules_of(hits), settled)
        if not open_rules:
            return
        apart = cache(lambda mark: self._is_apart(mark, data))
        claims = self._marks_of((hit for hit in hits if hit[0].family in FRAMES), data)
        additions = [hit for hit in hits if hit[0].family not in FRAMES]
        first = self._until_reached(claims, [sign for sign, _ in additions], apart)
        if not first:
            return
        #: The latest mark by family and weight.
        latest: dict[tuple[Family, int], Mark] = {}
        for mark in merge(chain(first, claims), self._marks_of(additions, data)):
            latest[mark.sign.family, mark.sign.weight] = mark
            total, lead = self._lead(latest, mark, apart)
            if lead is None or total < self._close:
                continue
            start = min(sign.start for sign in latest.values() if mark.start - sign.start <= NEAR)
            if total >= self._threshold + (lead.sign.family in _JAILBREAKS and self._leg in LEGS):
                yield RULES[lead.sign.family], ((start, mark.end),)
                latest.clear()
            else:
                yield _CLOSE_RULES[lead.sign.family], ((start, mark.end),)
            if not (open_rules := self._unsettled(open_rules, settled)):
                return

    def _rules_of(self, hits: Iterable[tuple[Sign, Expression]]) -> list[DetectionRule]:
        """The rules that these signs may make a finding of; close sums count on some legs alone."""
        families = {sign.family for sign, _ in hits if sign.family in FRAMES}
        rules = (RULES, _CLOSE_RULES) if self._close < self._threshold else (RULES,)
        return [named[family] for named in rules for family in families]

    def _unsettled(self, rules: Iterable[DetectionRule], settled: Settled) -> list[DetectionRule]:
        return [rule for rule in rules if not settled(rule)]

    def _until_reached(self, claims: Iterator[Mark], additions: Iterable[Sign], apart: Apart) -> list[Mark]:
        """The claims up to the first that would make a finding if every other sign stood beside it.

        There are none without such a one: then nobody looks for the other signs.
        """
        latest = {(sign.family, sign.weight): Mark(_ANYWHERE, _ANYWHERE, sign) for sign in additions}
        read = []
        for mark in claims:
            read.append(mark)
            latest[mark.sign.family, mark.sign.weight] = mark
            if self._lead(latest, mark, apart)[0] >= self._close:
                return read
        return []

    def _marks_of(self, hits: Iterable[tuple[Sign, Expression]], data: bytes) -> Iterator[Mark]:
        """The marks of these signs in their order.

        One expression after the other looks over the next `STRIDE` bytes: in turns for each mark they would take longer.
        Over the whole of a long text they would be in vain where its beginning tells all.
        """
        # A long text repeats itself, and so do the answers.
        meant = lru_cache(maxsize=1024)(self._is_meant) if len(data) > STRIDE else self._is_meant
        rows = [_Row(self._marks(sign, expression, data, meant)) for sign, expression in hits]
        for end in range(STRIDE, len(data) + STRIDE, STRIDE):
            yield from sorted(chain.from_iterable(row.until(end) for row in rows))

    def _marks(self, sign: Sign, expression: Expression, data: bytes, meant: Meant) -> Iterator[Mark]:
        """The places of a sign that are meant, one for every `APART` bytes."""
        edge = -APART
        for start, end in expression.spans(data):
            if start - edge < APART:
                continue
            mark = Mark(start, end, sign)
            if sign.family not in FRAMES or meant(sign, *_around(mark, data)):
                edge = start
                yield mark

    def _lead(self, latest: dict[tuple[Family, int], Mark], newest: Mark, apart: Apart) -> tuple[int, Mark | None]:
        """The weight of the marks near `newest`, and the heaviest of them that is of the frame, if any is."""
        heaviest: dict[Family, int] = {}
        lead = None
        for (family, weight), mark in latest.items():
            if newest.start - mark.start > NEAR or (family not in FRAMES and _is_within(mark, latest.values())):
                continue
            heaviest[family] = max(weight, heaviest.get(family, 0))
            if family in FRAMES and (lead is None or weight > lead.sign.weight):
                lead = mark
        claims = sum(weight for family, weight in heaviest.items() if family in FRAMES)
        # Orders, acts and urgency, however many, need a claim of two beside them. A claim alone must be the heaviest or
        # stand apart.
        total = claims + min(sum(heaviest.values()) - claims, self._threshold - 2)
        alone = len(heaviest) == 1 and total < HEAVIEST and not (lead is not None and apart(lead))
        return total - alone, lead

    def _is_meant(self, sign: Sign, before: str, value: str, after: str) -> bool:
        """Whether what stands around a mark lets it be meant; a server's request to a model is no document that quotes."""
        family = sign.family
        if family is Family.OVERRIDE and _turns_around(sign, before, value, after):
            return False
        if self._leg is not Leg.SERVER_REQUESTS:
            context = _CONTEXTS.get(family, is_marked_order)
            if not context(value, before[-BEFORE:], after[:AFTER]):
                return False
            if self._leg in READ and is_mention(before, value, after):
                return False
        if family is not Family.ERRAND:
            return True
        return self._leg in LEGS and is_apart(before, value, after) and is_impersonal(before, after)

    def _is_apart(self, mark: Mark, data: bytes) -> bool:
        return self._leg in LEGS and mark.sign.family in ORDERING and is_apart(*_around(mark, data))

    def _reaches(self, signs: Iterable[Sign]) -> bool:
        """Whether signs would be a finding if all stood at one place."""
        latest = {(sign.family, sign.weight): Mark(0, 0, sign) for sign in signs}
        total, lead = self._lead(latest, _START, lambda mark: mark.sign.family in ORDERING)
        return lead is not None and total >= self._close


class _Row:
    """The marks of one sign, taken up to a place."""

    def __init__(self, marks: Iterator[Mark]) -> None:
        self._marks = marks
        self._next: Mark | None = None

    def until(self, end: int) -> Iterator[Mark]:
        """The next marks that begin before `end`."""
        mark = self._next or next(self._marks, None)
        while mark is not None and mark.start < end:
            yield mark
            mark = next(self._marks, None)
        self._next = mark


def _around(mark: Mark, data: bytes) -> tuple[str, str, str]:
    """The text before the mark, its words, the text after. A sign that begins with a sentence has the mark before it too."""
    first = _FIRST_LETTER.search(data, mark.start, mark.end)
    start = first.start() if first else mark.start
    return (
        data[max(0, start - SPAN) : start].decode("utf-8", "replace"),
        data[start : mark.end].decode("utf-8", "replace"),
        data[mark.end : mark.end + SPAN].decode("utf-8", "replace"),
    )


def _turns_around(sign: Sign, before: str, value: str, after: str) -> bool:
    """Whether an override in another language than English is none: each of its verbs is turned around ("do not forget")."""
    if not sign.negated:
        return is_negated(before, value)
    before = before[-BEFORE:]
    text, end = before + value + after[:BEFORE], len(before) + len(value)
    verbs = expression(sign.negated, False, 1)
    verb = verbs.first(text)
    negated = False
    while verb and verb.start() < end:
        if verb.end() > len(before) + 1:
            if not any(verb.groups()):
                return False
            negated = True
        # What ends one verb may begin the next.
        verb = verbs.first(text, verb.end() - 1)
    return negated


def _is_within(mark: Mark, marks: Iterable[Mark]) -> bool:
    """Whether an order is the very one that a claim is made of: one order is no two signs."""
    return any(
        claim.sign.family in (Family.OUTPUT, Family.ERRAND) and claim.start - 3 <= mark.start < claim.end
        for claim in marks
    )


@lru_cache(maxsize=len(Leg))
def form_table(leg: Leg) -> FormTable:
    """The table of a leg, shared by all engines."""
    return FormTable(leg)
