"""Which way a change of one value goes. Every function answers LOOSENS unless it can prove another answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.base import seconds
from plan.diff.model import Direction

LOOSENS, TIGHTENS, NEUTRAL = Direction.LOOSENS, Direction.TIGHTENS, Direction.NEUTRAL
Judge = Callable[[Any, Any], Direction]


@dataclass(frozen=True)
class Rule:
    """What one key means: how to judge it, how a reviewer calls it, its ring and its weight.

    `proof` is the proof of a rule that judges neutral. `ordered` keys are lists whose order counts.
    """

    judge: Judge
    label: str
    ring: str
    risk: int
    proof: str = ""
    ordered: bool = False


@dataclass(frozen=True)
class Delegated:
    """A key that the named module of this package compares with its meaning resolved."""

    module: str


Entry = Rule | Delegated
Table = dict[str, Entry]


def any_change(base: Any, head: Any) -> Direction:
    """Nothing about the new value can be proven."""
    return LOOSENS


def no_effect(base: Any, head: Any) -> Direction:
    """Proven elsewhere; the rule says why."""
    return NEUTRAL


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)


def more_loosens(base: Any, head: Any) -> Direction:
    """Limits; None is no limit."""
    return LOOSENS if _number(head) > _number(base) else TIGHTENS


def less_loosens(base: Any, head: Any) -> Direction:
    return LOOSENS if _number(head) < _number(base) else TIGHTENS


def _seconds(value: Any) -> float:
    return math.inf if value is None else float(seconds(value))


def longer_loosens(base: Any, head: Any) -> Direction:
    """Durations; ``60m`` and ``1h`` are the same time, which is neutral."""
    base_seconds, head_seconds = _seconds(base), _seconds(head)
    return NEUTRAL if base_seconds == head_seconds else LOOSENS if head_seconds > base_seconds else TIGHTENS


def shorter_loosens(base: Any, head: Any) -> Direction:
    base_seconds, head_seconds = _seconds(base), _seconds(head)
    return NEUTRAL if base_seconds == head_seconds else LOOSENS if head_seconds < base_seconds else TIGHTENS


def keys(values: Any) -> set[str]:
    """A list as a set of canonical texts."""
    return {json.dumps(value, sort_keys=True) for value in values or ()}


def grows_loosens(base: Any, head: Any) -> Direction:
    """Sets of whom or what is let in."""
    return LOOSENS if keys(head) - keys(base) else TIGHTENS


def shrinks_loosens(base: Any, head: Any) -> Direction:
    """Sets of what is demanded."""
    return LOOSENS if keys(base) - keys(head) else TIGHTENS


def allow_list(base: Any, head: Any) -> Direction:
    """Sets that let in, where an empty one lets everything in."""
    if not head:
        return LOOSENS
    return TIGHTENS if not base else grows_loosens(base, head)


def appearing_loosens(base: Any, head: Any) -> Direction:
    return TIGHTENS if head is None else LOOSENS


def appearing_tightens(base: Any, head: Any) -> Direction:
    """A protection: there is one, or not; another value of it proves nothing."""
    return TIGHTENS if base is None and head is not None else LOOSENS


def true_loosens(base: Any, head: Any) -> Direction:
    return TIGHTENS if head is False else LOOSENS


def false_loosens(base: Any, head: Any) -> Direction:
    return TIGHTENS if head is True else LOOSENS


def ladder(*weakest_first: str) -> Judge:
    """Words from the weakest to the strongest; a word not among them loosens."""

    def judge(base: Any, head: Any) -> Direction:
        if base not in weakest_first or head not in weakest_first:
            return LOOSENS
        return LOOSENS if weakest_first.index(head) < weakest_first.index(base) else TIGHTENS

    return judge


def later_loosens(base: Any, head: Any) -> Direction:
    """Moments as RFC 3339 writes them in UTC, so text order is time order; None is never, which is latest."""
    if head is None:
        return LOOSENS
    return TIGHTENS if base is None or head < base else LOOSENS
