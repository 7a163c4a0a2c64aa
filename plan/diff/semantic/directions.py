"""Judges in which direction a change of one value goes. Every judge answers LOOSENS unless it can prove another answer.

Which key is judged by which function is in the tables of the other modules; `keys` applies them.
"""

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
class KeyRule:
    """What one key means: how a change is judged, what a reviewer calls the key, its ring and the weight of a change.

    `proof` says why a change that is judged neutral can do no harm. `ordered` is for lists whose order counts. `words` says
    a value, or an entry of a list, as a reviewer reads it.
    """

    judge: Judge
    label: str
    ring: str
    risk: int
    proof: str = ""
    ordered: bool = False
    words: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Delegated:
    """A key that is not compared here: another module, named by its subject, resolves what it means and compares that."""

    module: str


Entry = KeyRule | Delegated
Table = dict[str, Entry]


def any_change(base: Any, head: Any) -> Direction:
    """For values of which nothing can be proven."""
    return LOOSENS


def no_effect(base: Any, head: Any) -> Direction:
    """For keys whose change has no effect; the `proof` of the rule says why."""
    return NEUTRAL


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)


def more_loosens(base: Any, head: Any) -> Direction:
    """For limits; None is no limit."""
    return LOOSENS if _number(head) > _number(base) else TIGHTENS


def less_loosens(base: Any, head: Any) -> Direction:
    return LOOSENS if _number(head) < _number(base) else TIGHTENS


def _seconds(value: Any) -> float:
    return math.inf if value is None else float(seconds(value))


def longer_loosens(base: Any, head: Any) -> Direction:
    """For durations; ``60m`` and ``1h`` are the same time, which is neutral."""
    base_seconds, head_seconds = _seconds(base), _seconds(head)
    return NEUTRAL if base_seconds == head_seconds else LOOSENS if head_seconds > base_seconds else TIGHTENS


def shorter_loosens(base: Any, head: Any) -> Direction:
    base_seconds, head_seconds = _seconds(base), _seconds(head)
    return NEUTRAL if base_seconds == head_seconds else LOOSENS if head_seconds < base_seconds else TIGHTENS


def keys(values: Any) -> set[str]:
    """The values of a list as a set of canonical JSON texts."""
    return {json.dumps(value, sort_keys=True) for value in values or ()}


def grows_loosens(base: Any, head: Any) -> Direction:
    """For sets of whom or what is let in."""
    return LOOSENS if keys(head) - keys(base) else TIGHTENS


def shrinks_loosens(base: Any, head: Any) -> Direction:
    """For sets of what is demanded."""
    return LOOSENS if keys(base) - keys(head) else TIGHTENS


def allow_list(base: Any, head: Any) -> Direction:
    """For sets of what is let in, where an empty set lets everything in."""
    if not head:
        return LOOSENS
    return TIGHTENS if not base else grows_loosens(base, head)


def appearing_loosens(base: Any, head: Any) -> Direction:
    return TIGHTENS if head is None else LOOSENS


def appearing_tightens(base: Any, head: Any) -> Direction:
    """For protections that are there or not; a change from one value to another proves nothing, and loosens."""
    return TIGHTENS if base is None and head is not None else LOOSENS


def true_loosens(base: Any, head: Any) -> Direction:
    return TIGHTENS if head is False else LOOSENS


def false_loosens(base: Any, head: Any) -> Direction:
    return TIGHTENS if head is True else LOOSENS


def ladder(*weakest_first: str) -> Judge:
    """For words from the weakest to the strongest; a word that is not among them loosens."""

    def judge(base: Any, head: Any) -> Direction:
        if base not in weakest_first or head not in weakest_first:
            return LOOSENS
        return LOOSENS if weakest_first.index(head) < weakest_first.index(base) else TIGHTENS

    return judge


def later_loosens(base: Any, head: Any) -> Direction:
    """For times written by RFC 3339 in UTC, which sort as texts; None means never, the latest time of all."""
    if head is None:
        return LOOSENS
    return TIGHTENS if base is None or head < base else LOOSENS
