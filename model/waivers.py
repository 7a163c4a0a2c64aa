"""Exceptions from rules, in the stack file where they are reviewed: which rule, where, why and until when."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from model.base import Model
from model.problems import PATTERN_WORDS, Wrong


def _day(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise Wrong("must be a day", 'write it such as "2027-03-01", in quotes')
    try:
        date.fromisoformat(value)
    except ValueError:
        raise Wrong("is no day that exists", 'write it such as "2027-03-01", in quotes') from None
    return value


def _reason(value: str) -> str:
    if len(value.split()) < 2:
        raise Wrong("says too little", "write in two words or more why the rule does not hold here and who decided it")
    return value


Day = Annotated[str, AfterValidator(_day)]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$", max_length=64)]
Reason = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(_reason)]
PATTERN_WORDS[r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$"] = "a rule's id, as `ringwall check --list-rules` shows it"
PATTERN_WORDS[r"^[^\x00-\x1f\x7f]+$"] = "one line of text"


def today_utc() -> date:
    """Exceptions end with their day in UTC, so that every machine sees the same end."""
    return datetime.now(UTC).date()


def holds_on(expires: str, today: date) -> bool:
    """Whether an exception is in force: through its last day, and not a day longer."""
    return today <= date.fromisoformat(expires)


class Waiver(Model):
    """An exception from one rule in this stack. The finding stays in sight, with the reason, in every report."""

    rule: RuleId = Field(description="Id of the rule; `ringwall check --list-rules` shows them.")
    resource: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        "*", description="Resource name, or a pattern with * and ?; else every resource of this stack."
    )
    reason: Reason = Field(description="Why, and who decided it.")
    expires: Day = Field(description="Last day it holds, in UTC, quoted; the day after it is an error.")

    def holds_on(self, today: date) -> bool:
        return holds_on(self.expires, today)
