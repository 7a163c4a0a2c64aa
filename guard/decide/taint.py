"""The principals that were sent untrusted text lately: the first half of the toxic flow (untrusted text, then a call out).

Marks are kept per principal and not per session: the stateless era has no sessions, and a client opens a new one at will.
A text with an attack in it closes every way out. One that is only suspected, as it orders something or comes close to an
attack, closes those that change something or fetch an address: asking before each read would teach people to say yes.
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
        #: By principal, and whether the text was only suspected.
        self._marks: dict[tuple[str, bool], TaintMark] = {}
        self._everyone: TaintMark | None = None

    def reconfigure(self, settings: TaintSettings) -> None:
        """Use another bundle's window for further marks; those that exist end as they would have."""
        self._window = seconds(settings.window)

    def mark(self, principal_id: str, incident: str, *, suspected: bool = False) -> None:
        """Taint a principal for the window; a later mark replaces an earlier one of its kind."""
        time, key = self._clock(), (principal_id, suspected)
        # The earlier mark is removed first, so that the marks stay in the order in which they end.
        self._marks.pop(key, None)
        if len(self._marks) >= self._most:
            self._forget(time)
        if len(self._marks) >= self._most:
            self._everyone = TaintMark(TABLE_FULL, time + self._window)
            return
        self._marks[key] = TaintMark(incident, time + self._window)

    def tainted(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """The taint a principal is under, or None; with `suspected` that of a suspected text counts too."""
        time = self._clock()
        for key in ((principal_id, False), (principal_id, True))[: 1 + suspected]:
            taint = self._marks.get(key)
            if taint is not None:
                if time < taint.until:
                    return taint
                del self._marks[key]
        if self._everyone is not None and time >= self._everyone.until:
            self._everyone = None
        return self._everyone

    def count(self) -> int:
        """How many principals are marked, without those whom a full table taints."""
        self._forget(self._clock())
        return len(self._marks)

    def _forget(self, time: float) -> None:
        for key, taint in list(self._marks.items()):
            if time < taint.until:
                return
            del self._marks[key]
