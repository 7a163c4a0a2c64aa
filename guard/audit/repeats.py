"""Bounds how many records refusals make: callers decide how often they are refused, and no limit bounds that.

Within one second a caller's first refusals for a reason have records and incident ids of their own. Those that follow are
given the incident of the last one, and one record counts them when the second is over: every incident that a caller was
told stands in the log, and a flood makes a dozen records a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from guard.decide.reasons import Decision

#: Seconds of one window.
WINDOW = 1.0
#: Refusals of a verified principal for one reason that have records of their own in a window; a stranger's have one.
OWN_RECORDS = 10


@dataclass(frozen=True, slots=True)
class RefusalNote:
    """What a refusal's record says of it: who was refused, how, why, and for which method (`http` before any is known)."""

    principal: str | None
    decision: Decision
    reason: str
    method: str


@dataclass(slots=True)
class _Window:
    records: int
    refused: RefusalNote
    incident: str
    timer: asyncio.TimerHandle
    repeated: int = 0


class Repeats:
    """The refusals of the last second, by caller and reason.

    `count` writes the record that counts: it is handed the last refusal that has a record, its incident, and how many
    followed it.
    """

    def __init__(self, count: Callable[[RefusalNote, str, int], None]) -> None:
        self._count = count
        self._windows: dict[tuple[str | None, str], _Window] = {}

    def incident(self, refused: RefusalNote, fresh: str) -> str:
        """The incident id of a refusal: `fresh` where it gets a record of its own, else the one it is counted under."""
        place = refused.principal, refused.reason
        window = self._windows.get(place)
        if window is None:
            timer = asyncio.get_running_loop().call_later(WINDOW, self._close, place)
            self._windows[place] = _Window(1, refused, fresh, timer)
            return fresh
        if window.records < (1 if refused.principal is None else OWN_RECORDS):
            window.records += 1
            window.refused, window.incident = refused, fresh
            return fresh
        window.repeated += 1
        return window.incident

    def close(self) -> None:
        """Count what is not counted yet."""
        for place in list(self._windows):
            self._close(place)

    def _close(self, place: tuple[str | None, str]) -> None:
        window = self._windows.pop(place)
        window.timer.cancel()
        if window.repeated:
            self._count(window.refused, window.incident, window.repeated)
