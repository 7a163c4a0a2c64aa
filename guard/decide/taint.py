"""The principals that were sent untrusted text lately: the first half of the toxic flow (untrusted text, then a call out).

Marks are kept per principal and not per session: the stateless era has no sessions, and a client opens a new one at will.
Calls of a tainted principal are judged in `guard.decide.outbound`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.base import seconds
from model.defaults import Taint as TaintSettings

MAX_PRINCIPALS = 65_536
#: The incident by which everyone is tainted when there are more tainted principals than the table holds.
TABLE_FULL = "taint-table-full"


@dataclass(frozen=True, slots=True)
class TaintMark:
    """The mark of a tainted principal. `incident` names the result that tainted it, `until` is when the mark ends."""

    incident: str
    until: float


class Taints:
    """The marks of the last `window`. `clock` is monotonic, in seconds.

    The table is bounded and fails closed: a mark for which there is no room taints every principal until the mark would have
    ended.
    """

    def __init__(self, settings: TaintSettings, clock: Callable[[], float], most: int = MAX_PRINCIPALS) -> None:
        self._window = seconds(settings.window)
        self._clock = clock
        self._most = most
        self._marks: dict[str, TaintMark] = {}
        self._everyone: TaintMark | None = None

    def reconfigure(self, settings: TaintSettings) -> None:
        """Use another bundle's window for further marks; those that exist end as they would have."""
        self._window = seconds(settings.window)

    def mark(self, principal_id: str, incident: str) -> None:
        """Taint a principal for the window; a later mark replaces an earlier one."""
        time = self._clock()
        # The earlier mark is removed first, so that the marks stay in the order in which they end.
        self._marks.pop(principal_id, None)
        if len(self._marks) >= self._most:
            self._forget(time)
        if len(self._marks) >= self._most:
            self._everyone = TaintMark(TABLE_FULL, time + self._window)
            return
        self._marks[principal_id] = TaintMark(incident, time + self._window)

    def tainted(self, principal_id: str) -> TaintMark | None:
        """The taint a principal is under, or None."""
        time = self._clock()
        taint = self._marks.get(principal_id)
        if taint is not None:
            if time < taint.until:
                return taint
            del self._marks[principal_id]
        if self._everyone is not None and time >= self._everyone.until:
            self._everyone = None
        return self._everyone

    def count(self) -> int:
        """How many principals are marked, without those whom a full table taints."""
        self._forget(self._clock())
        return len(self._marks)

    def _forget(self, time: float) -> None:
        for principal_id, taint in list(self._marks.items()):
            if time < taint.until:
                return
            del self._marks[principal_id]
