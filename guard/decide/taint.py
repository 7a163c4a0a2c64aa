"""Who has met untrusted text lately: the first half of the toxic flow (untrusted text, then a call that reaches out).

Kept per principal and not per session: the stateless era has none, and a client opens a new one at will.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.base import seconds
from model.defaults import Taint as TaintSettings

MAX_PRINCIPALS = 65_536
#: What everyone is tainted by when there are more tainted principals than can be told apart.
TABLE_FULL = "taint-table-full"


@dataclass(frozen=True, slots=True)
class Taint:
    """`incident` names the result that tainted; `until` is when it ends by the clock that was given."""

    incident: str
    until: float


class Taints:
    """Marks of the last `window`; `clock` is monotonic, in seconds.

    Bounded, and closed when full: a mark that finds no room taints every principal until it would have ended.
    """

    def __init__(self, settings: TaintSettings, clock: Callable[[], float], most: int = MAX_PRINCIPALS) -> None:
        self._window = seconds(settings.window)
        self._clock = clock
        self._most = most
        self._marks: dict[str, Taint] = {}
        self._everyone: Taint | None = None

    def reconfigure(self, settings: TaintSettings) -> None:
        """Another bundle's window, for marks from now on; earlier ones end as they would have."""
        self._window = seconds(settings.window)

    def mark(self, principal_id: str, incident: str) -> None:
        """Taint a principal from now on for the window; a later mark replaces an earlier one."""
        now = self._clock()
        # Removed first, so that the marks stand in the order in which they end.
        self._marks.pop(principal_id, None)
        if len(self._marks) >= self._most:
            self._forget(now)
        if len(self._marks) >= self._most:
            self._everyone = Taint(TABLE_FULL, now + self._window)
            return
        self._marks[principal_id] = Taint(incident, now + self._window)

    def tainted(self, principal_id: str) -> Taint | None:
        """The taint a principal is under, or None."""
        now = self._clock()
        taint = self._marks.get(principal_id)
        if taint is not None:
            if now < taint.until:
                return taint
            del self._marks[principal_id]
        if self._everyone is not None and now >= self._everyone.until:
            self._everyone = None
        return self._everyone

    def _forget(self, now: float) -> None:
        for principal_id, taint in list(self._marks.items()):
            if now < taint.until:
                return
            del self._marks[principal_id]
