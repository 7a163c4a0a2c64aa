"""What a sign of an injection is: a pattern, a weight and the reason for it. The signs stand in `guard.engines.rules.grammar`.

A sign alone is ordinary language. `guard.engines.forms` adds up the signs that stand near one another, the heaviest of each family
once, and compares the sum with the threshold of the leg. In a pattern a blank stands for up to three characters that are
no letters, and ``~`` for up to three words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guard.inspect.verdict import Leg


class Family(StrEnum):
    """What a sign does. The values end the ids of the rules."""

    OVERRIDE = "override"
    TASK = "task"
    AUTHORITY = "authority"
    ADDRESS = "address"
    SEQUENCE = "sequence"
    SECRECY = "secrecy"
    MEMORY = "memory"
    STEERING = "steering"
    TURN = "turn"
    MODE = "mode"
    ROLE = "role"
    LICENCE = "licence"
    THEFT = "theft"
    ERRAND = "errand"
    OUTPUT = "output"
    ORDER = "order"
    ACT = "act"
    URGENCY = "urgency"


#: Families that claim something which no content may claim; without one of them nothing is a finding.
FRAMES: Final = frozenset(Family) - {Family.ORDER, Family.ACT, Family.URGENCY}

#: Families whose signs are orders by themselves; the others say only who speaks, or to whom.
ORDERING: Final = frozenset(
    (
        Family.OVERRIDE,
        Family.TASK,
        Family.SECRECY,
        Family.MEMORY,
        Family.STEERING,
        Family.ROLE,
        Family.LICENCE,
        Family.THEFT,
        Family.ERRAND,
        Family.OUTPUT,
    )
)

#: The sum of weights from which a text is a finding. Definitions and prompts tell a model what to do by their nature, and
#: arguments hold what a user wanted written.
THRESHOLDS: Final = {
    Leg.RESULTS: 5,
    Leg.RESOURCES: 5,
    Leg.SERVER_REQUESTS: 6,
    Leg.ARGUMENTS: 7,
    Leg.PROMPTS: 6,
    Leg.DEFINITIONS: 7,
}


@dataclass(frozen=True, slots=True, order=True)
class Sign:
    """One sign of the grammar."""

    family: Family
    weight: int
    pattern: str
    reason: str
    #: Must match wherever `pattern` does; empty, it is the pattern without the bounds of its repetitions.
    trigger: str = ""
    #: Finds each verb of an override, with a group for what turns it around ("do not forget"). Empty, the words that
    #: `guard.engines.paragraphs.is_negated` knows do.
    negated: str = ""

    @property
    def expression(self) -> str:
        """The pattern for RE2."""
        if " " not in self.pattern and "~" not in self.pattern:
            return self.pattern
        return _TOKEN.sub(_written_out, self.pattern)

    @property
    def trigger_expression(self) -> str:
        """The trigger for RE2. A bounded repetition stands in an automaton as often as its bound says, so there it has none."""
        return self.trigger or _BOUNDS.sub(_unbounded, self.expression)

    @property
    def is_open(self) -> bool:
        """Whether an automaton may be in the middle of the trigger for a whole sentence: words may stand between its words."""
        return not self.trigger and _WORDS_BETWEEN.search(self.pattern) is not None


#: What may not be written out (an escape, a class), the words of a gap, and a blank.
_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]| ?~ ?| ")
_BLANK = r"(?:[^\w.!?]{1,3})"
_WORDS_BETWEEN = re.compile(r"~|\{\d+,\d+\}|\)[*+]")
_BOUNDS = re.compile(r"\{(\d+),\d+\}")


def _written_out(token: re.Match[str]) -> str:
    if token[0] == " ":
        return _BLANK
    return rf"{_BLANK}(?:[\pL\pN_'’-]+{_BLANK}){{0,3}}" if "~" in token[0] and token[0][0] not in "[\\" else token[0]


def _unbounded(bounds: re.Match[str]) -> str:
    return "*" if bounds[1] == "0" else "+"
