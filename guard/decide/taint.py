"""The principals that were sent untrusted text lately: the first half of the toxic flow (untrusted text, then a call out).

Marks are kept per principal and not per session: the stateless era has no sessions, and a client opens a new one at will.
A text with an attack in it closes every way out. One that is only suspected, as it orders something or comes close to an
attack, closes those that change something or fetch an address: asking before each read would teach people to say yes.
Calls of a tainted principal are judged in `guard.decide.outbound`.

The two halves of a flow are often two servers: one that reads the web, and one that sends mail. So guards of one
environment that have a Redis share the marks there (`SharedMarks`), and those in one process without (`TaintCircle`). Either
way they look for orders to call a tool of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from model.base import seconds
from model.defaults import Taint as TaintSettings

MAX_PRINCIPALS = 65_536
#: The incident by which everyone is tainted when there are more tainted principals than the table holds.
TABLE_FULL = "taint-table-full"
_NONE = frozenset[str]()


@dataclass(frozen=True, slots=True)
class TaintMark:
    """The mark of a tainted principal. `incident` names the result that tainted it, `until` is when the mark ends.

    `server` is the server whose result it was, where that is another one.
    """

    incident: str
    until: float
    server: str = ""


class MarksUnavailable(Exception):
    """Marks that are kept elsewhere cannot be written or read, so nobody knows who is tainted."""


class SharedTools(Protocol):
    """The names of the tools that change something, which guards in processes of their own share."""

    async def announce(self, bundle: str, names: frozenset[str]) -> None:
        """Tell the others the names under this bundle, and read theirs, from then on until the marks are closed."""

    def names(self) -> frozenset[str]:
        """The names of all the servers; the same object until they change."""
        ...

    def require(self) -> None:
        """Raises MarksUnavailable where the names that are known may be old."""


class SharedMarks(Protocol):
    """Marks that guards in processes of their own share, and the names of their tools."""

    @property
    def tools(self) -> SharedTools: ...

    def publish(self, principal_id: str, incident: str, window: float, *, suspected: bool) -> None:
        """Begin to tell the others of a mark that holds for `window` seconds."""

    async def agree(self) -> None:
        """Return once the others can know every mark. Raises MarksUnavailable."""

    async def tainted(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """The taint that any of the guards put a principal under, or None. Raises MarksUnavailable."""

    async def close(self) -> None:
        """End the connection."""


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
        self.circle: TaintCircle | None = None
        self.shared: SharedMarks | None = None
        #: The server's own tools that change something.
        self.acting = _NONE
        #: Those of the servers here and elsewhere, and all of them as one.
        self._tools = (_NONE, _NONE, _NONE)

    def reconfigure(self, settings: TaintSettings) -> None:
        """Use another bundle's window for further marks; those that exist end as they would have."""
        self._window = seconds(settings.window)

    def know(self, acting: frozenset[str]) -> None:
        """The server's own tools that change something, by the bundle in force."""
        self.acting = acting
        if self.circle is not None:
            self.circle.gather()

    def tools(self) -> frozenset[str]:
        """The tools that change something of every server that is known of; the same object until they change."""
        local = self.acting if self.circle is None else self.circle.tools()
        elsewhere = _NONE if self.shared is None else self.shared.tools.names()
        if self._tools[0] is not local or self._tools[1] is not elsewhere:
            self._tools = (local, elsewhere, local | elsewhere)
        return self._tools[2]

    def mark(self, principal_id: str, incident: str, *, suspected: bool = False) -> None:
        """Taint a principal for the window; a later mark replaces an earlier one of its kind."""
        self.put(principal_id, TaintMark(incident, self._clock() + self._window), suspected=suspected)
        if self.shared is not None:
            self.shared.publish(principal_id, incident, self._window, suspected=suspected)

    async def tainted_anywhere(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """As `tainted`, and where that knows of none the guards in other processes are asked.

        Raises:
            MarksUnavailable: they cannot be asked.
        """
        taint = self.tainted(principal_id, suspected=suspected)
        if taint is None and self.shared is not None:
            return await self.shared.tainted(principal_id, suspected=suspected)
        return taint

    def put(self, principal_id: str, mark: TaintMark, *, suspected: bool) -> None:
        """Keep a mark as it is, which another process of this guard may have made."""
        key = (principal_id, suspected)
        # The earlier mark is removed first, so that the marks stay in the order in which they end.
        self._marks.pop(key, None)
        if len(self._marks) >= self._most:
            self._forget(self._clock())
        if len(self._marks) >= self._most:
            self._everyone = TaintMark(TABLE_FULL, mark.until)
            return
        self._marks[key] = mark

    def marks(self) -> Iterator[tuple[str, TaintMark, bool]]:
        """Every mark with its principal, and whether the text was only suspected."""
        for (principal_id, suspected), mark in self._marks.items():
            yield principal_id, mark, suspected

    def tainted(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """The taint a principal is under here or at a server of the circle, or None.

        With `suspected` that of a suspected text counts too.
        """
        taint = self.tainted_here(principal_id, suspected=suspected)
        if taint is None and self.circle is not None:
            return self.circle.tainted(principal_id, suspected=suspected)
        return taint

    def tainted_here(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """The taint that a result of this server put a principal under, or None."""
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


class TaintCircle:
    """The marks of several guards in one process, whose principals are the same: each mark counts at all of them."""

    def __init__(self) -> None:
        self._members: dict[str, Taints] = {}
        self._tools = _NONE

    def join(self, server: str, taints: Taints) -> None:
        """Count the marks of this server's guard at the others, and theirs at it, and look for orders to call its tools."""
        self._members[server] = taints
        taints.circle = self
        self.gather()

    def leave(self, server: str) -> None:
        """Forget the marks and tools of a server whose guard has ended."""
        if (member := self._members.pop(server, None)) is not None:
            member.circle = None
            self.gather()

    def tools(self) -> frozenset[str]:
        """The tools of all the servers that change something."""
        return self._tools

    def tainted(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """The taint a principal is under at any of the servers, or None."""
        for server, taints in self._members.items():
            if (taint := taints.tainted_here(principal_id, suspected=suspected)) is not None:
                return replace(taint, server=server)
        return None

    def gather(self) -> None:
        """Take up the tools that its members have now."""
        self._tools = _NONE.union(*(taints.acting for taints in self._members.values()))
