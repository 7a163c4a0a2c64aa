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

    `why` is the proof of a rule that judges neutral. `ordered` keys are lists whose order counts.
    """

    judge: Judge
    what: str
    ring: str
    risk: int
    why: str = ""
    ordered: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """A key that the named module of this package compares with its meaning resolved."""

    module: str


Entry = Rule | Elsewhere
Table = dict[str, Entry]


def any_change(before: Any, after: Any) -> Direction:
    """Nothing about the new value can be proven."""
    return LOOSENS


def no_effect(before: Any, after: Any) -> Direction:
    """Proven elsewhere; the rule says why."""
    return NEUTRAL


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)


def more_loosens(before: Any, after: Any) -> Direction:
    """Limits; None is no limit."""
    return LOOSENS if _number(after) > _number(before) else TIGHTENS


def less_loosens(before: Any, after: Any) -> Direction:
    return LOOSENS if _number(after) < _number(before) else TIGHTENS


def _seconds(value: Any) -> float:
    return math.inf if value is None else float(seconds(value))


def longer_loosens(before: Any, after: Any) -> Direction:
    """Durations; ``60m`` and ``1h`` are the same time, which is neutral."""
    one, other = _seconds(before), _seconds(after)
    return NEUTRAL if one == other else LOOSENS if other > one else TIGHTENS


def shorter_loosens(before: Any, after: Any) -> Direction:
    one, other = _seconds(before), _seconds(after)
    return NEUTRAL if one == other else LOOSENS if other < one else TIGHTENS


def keys(values: Any) -> set[str]:
    """A list as a set of canonical texts."""
    return {json.dumps(value, sort_keys=True) for value in values or ()}


def grows_loosens(before: Any, after: Any) -> Direction:
    """Sets of whom or what is let in."""
    return LOOSENS if keys(after) - keys(before) else TIGHTENS


def shrinks_loosens(before: Any, after: Any) -> Direction:
    """Sets of what is demanded."""
    return LOOSENS if keys(before) - keys(after) else TIGHTENS


def allow_list(before: Any, after: Any) -> Direction:
    """Sets that let in, where an empty one lets everything in."""
    if not after:
        return LOOSENS
    return TIGHTENS if not before else grows_loosens(before, after)


def appearing_loosens(before: Any, after: Any) -> Direction:
    return TIGHTENS if after is None else LOOSENS


def appearing_tightens(before: Any, after: Any) -> Direction:
    """A protection: there is one, or not; another value of it proves nothing."""
    return TIGHTENS if before is None and after is not None else LOOSENS


def true_loosens(before: Any, after: Any) -> Direction:
    return TIGHTENS if after is False else LOOSENS


def false_loosens(before: Any, after: Any) -> Direction:
    return TIGHTENS if after is True else LOOSENS


def ladder(*weakest_first: str) -> Judge:
    """Words from the weakest to the strongest; a word not among them loosens."""

    def judge(before: Any, after: Any) -> Direction:
        if before not in weakest_first or after not in weakest_first:
            return LOOSENS
        return LOOSENS if weakest_first.index(after) < weakest_first.index(before) else TIGHTENS

    return judge


def later_loosens(before: Any, after: Any) -> Direction:
    """Moments as RFC 3339 writes them in UTC, so text order is time order; None is never, which is latest."""
    if after is None:
        return LOOSENS
    return TIGHTENS if before is None or after < before else LOOSENS
