"""What a rule is: a pattern in RE2's syntax (linear time, whatever the text), where it counts, and a second look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guard.verdict import Category, Leg

EVERY = frozenset(Leg)
INCOMING = frozenset((Leg.RESULTS, Leg.PROMPTS, Leg.RESOURCES, Leg.SERVER_REQUESTS))
#: Text that a person reviewed once and a model reads every time.
DEFINED = frozenset((Leg.DEFINITIONS,))
OUTGOING = frozenset((Leg.ARGUMENTS,))


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` ignores case unless it says (?-i). `check` looks at what matched and may dismiss it. `certain` rules give
    the place of what they found, so that it can be cut out. `whole` rules also hold across the strings of a message."""

    id: str
    category: Category
    pattern: str
    legs: frozenset[Leg] = EVERY
    check: Callable[[str], bool] | None = None
    certain: bool = False
    whole: bool = False
