"""Adds up the signs of the grammar: a text that claims authority, and then orders, is a finding whatever its words are.

The signs are in `guard.engines.rules.grammar`. One pass of RE2 tells which of them occur at all; their
places are looked at only where those could reach the threshold of the leg, in one further pass over the text for each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
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
from guard.engines.rules.expression import Expression
from guard.engines.rules.grammar import GROUPS, SIGNS
from guard.engines.rules.rule import AFTER, BEFORE, READ, DetectionRule, Passes, RuleTable
from guard.engines.rules.sign import FRAMES, ORDERING, THRESHOLDS, Family, Sign
from guard.inspect.verdict import Category, Leg

#: Bytes over which signs belong together: the frame of an "important message" with the three sentences of its order.
NEAR = 700
#: Bytes over which one mark of a sign stands for all, so that a text full of them costs no more than its length.
APART = 64
#: Roles and modes are in every story and manual, so that in what is read it takes one more.
_JAILBREAKS = (Family.ROLE, Family.LICENCE, Family.MODE)


def _rule(family: Family) -> DetectionRule:
    category = Category.JAILBREAK if family in _JAILBREAKS else Category.INJECTION
    pattern = "|".join(sign.expression for sign in SIGNS if sign.family is family)
    return DetectionRule(f"{category}.form_{family}", category, pattern, frozenset(THRESHOLDS), confidence=0.6)


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
    """One place of a sign, in bytes. `apart` tells that it stands in a paragraph or string of its own."""

    start: int
    end: int
    sign: Sign
    apart: bool = False


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
        self, data: bytes, passes: Passes | None = None
    ) -> Iterable[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        """The rules that match in `data` (UTF-8), each with one place; an empty sequence where no signs could add up."""
        hits = [
            (self._named[rule.id], expression)
            for table in self._tables
            for rule, expression in table.hits(data, passes)
        ]
        if not hits or not self._reaches(sign for sign, _ in hits):
            return ()
        return self._sums(hits, data)

    def _sums(
        self, hits: Sequence[tuple[Sign, Expression]], data: bytes
    ) -> Iterator[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        claims = sorted(self._marks_of((hit for hit in hits if hit[0].family in FRAMES), data))
        additions = [hit for hit in hits if hit[0].family not in FRAMES]
        if not self._may_reach(claims, [sign for sign, _ in additions]):
            return
        #: The latest mark by family and weight.
        latest: dict[tuple[Family, int], Mark] = {}
        for mark in sorted([*claims, *self._marks_of(additions, data)]):
            latest[mark.sign.family, mark.sign.weight] = mark
            total, lead = self._lead(latest, mark)
            if lead is None or total < self._close:
                continue
            start = min(sign.start for sign in latest.values() if mark.start - sign.start <= NEAR)
            if total >= self._threshold + (lead.sign.family in _JAILBREAKS and self._leg in LEGS):
                yield RULES[lead.sign.family], ((start, mark.end),)
                latest.clear()
            else:
                yield _CLOSE_RULES[lead.sign.family], ((start, mark.end),)

    def _may_reach(self, claims: Sequence[Mark], additions: Iterable[Sign]) -> bool:
        """Whether the claims would be a finding if every other sign stood beside each: if not, nobody looks for those."""
        latest = {(sign.family, sign.weight): Mark(_ANYWHERE, _ANYWHERE, sign) for sign in additions}
        for mark in claims:
            latest[mark.sign.family, mark.sign.weight] = mark
            if self._lead(latest, mark)[0] >= self._close:
                return True
        return False

    def _marks_of(self, hits: Iterable[tuple[Sign, Expression]], data: bytes) -> Iterator[Mark]:
        return chain.from_iterable(self._marks(sign, expression, data) for sign, expression in hits)

    def _marks(self, sign: Sign, expression: Expression, data: bytes) -> Iterator[Mark]:
        """The places of a sign that are meant, one for every `APART` bytes."""
        edge = -APART
        for start, end in expression.spans(data):
            mark = Mark(start, end, sign)
            if start - edge < APART:
                continue
            if sign.family not in FRAMES:
                edge = start
                yield mark
            elif (meant := self._meant(mark, data)) is not None:
                edge = start
                yield meant

    def _lead(self, latest: dict[tuple[Family, int], Mark], newest: Mark) -> tuple[int, Mark | None]:
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
        alone = len(heaviest) == 1 and total < HEAVIEST and not (lead is not None and lead.apart)
        return total - alone, lead

    def _meant(self, mark: Mark, data: bytes) -> Mark | None:
        """The mark, if what stands around it lets it be meant; a server's request to a model is no document that quotes."""
        # A sign that begins with a sentence has the mark before it too.
        first = _FIRST_LETTER.search(data, mark.start, mark.end)
        start = first.start() if first else mark.start
        value = data[start : mark.end].decode("utf-8", "replace")
        before = data[max(0, start - SPAN) : start].decode("utf-8", "replace")
        after = data[mark.end : mark.end + SPAN].decode("utf-8", "replace")
        if mark.sign.family is Family.OVERRIDE and is_negated(before, value):
            return None
        if self._leg is not Leg.SERVER_REQUESTS:
            context = _CONTEXTS.get(mark.sign.family, is_marked_order)
            if not context(value, before[-BEFORE:], after[:AFTER]):
                return None
            if self._leg in READ and is_mention(before, value, after):
                return None
        apart = self._leg in LEGS and mark.sign.family in ORDERING and is_apart(before, value, after)
        if mark.sign.family is Family.ERRAND and not (apart and is_impersonal(before, after)):
            return None
        return mark._replace(apart=apart)

    def _reaches(self, signs: Iterable[Sign]) -> bool:
        """Whether signs would be a finding if all stood at one place."""
        latest = {(sign.family, sign.weight): Mark(0, 0, sign, sign.family in ORDERING) for sign in signs}
        total, lead = self._lead(latest, _START)
        return lead is not None and total >= self._close


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
