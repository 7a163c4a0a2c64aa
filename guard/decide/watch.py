"""Reads the server's own lists, so that a call is judged by what the server offers at the time.

Clients' lists pass through the guard too, but a client that lists once and calls for days would never show a change. A
server that is a command is asked through the very process that will serve the call: another process of it could offer
something else, and may disturb the first (a database's lock, a fixed port).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection

from guard.decide.policy import Policy
from guard.http.stdio_road import CopyRoad, SharedRoad
from guard.http.upstream import Road, Upstream, UpstreamDown
from guard.memory import Rooms, unbounded
from guard.probe.conversation import ProbeFailed
from guard.probe.lists import read_offer
from model.errors import InputError, Unreachable
from model.tool_lock import EntryKind
from wire.mcp import ServerOffer

log = logging.getLogger("ringwall.guard.watch")

#: Seconds after which the server's lists count as stale: the next call waits until they are read again.
STALE_AFTER = 60.0
#: Seconds after which the next call has the lists read again, without waiting for it.
REFRESH_AFTER = 20.0
#: Seconds between two readings for which no call waits, however often the server says that a list changed.
CHANGE_EVERY = 1.0
#: Readings that one call waits for: one that began too early, its own, and one more where another lock came meanwhile.
_ATTEMPTS = 3
#: Seconds the server has for all its lists; where it is a command that serves a client, on a host whose load it shares;
#: where it starts for them, and may fetch itself first (npx, uvx); and where it works on a client's request, after which
#: alone it may answer.
PATIENCE = 10.0
COMMAND_PATIENCE = 30.0
START_PATIENCE = 60.0
BUSY_PATIENCE = 300.0
#: Places whose readings are remembered before the stale ones are dropped.
_PLACES = 64


class Watch:
    """When the lists were read, for each place that serves calls (`Upstream.place`; the empty one stands for all)."""

    def __init__(
        self,
        upstream: Upstream,
        policy: Callable[[], Policy],
        clock: Callable[[], float] = time.monotonic,
        *,
        rooms: Rooms = unbounded,
    ) -> None:
        self._rooms = rooms
        self._upstream = upstream
        self._policy = policy
        self._clock = clock
        self._read_at: dict[str, dict[EntryKind, float]] = {}
        self._failures: dict[str, str] = {}
        self._forgotten = 0
        self._running: dict[str, asyncio.Task[bool]] = {}
        #: When the reading of each place began that runs or ran last, and when the server last said that a list changed.
        self._began: dict[str, float] = {}
        self._changed_at: dict[str, float] = {}
        #: The places whose change no reading has followed yet, and when the next one may.
        self._told: set[str] = set()
        self._following: asyncio.TimerHandle | None = None
        self._logged: dict[EntryKind, str] = {}
        self.problem: str | None = "the server's lists have not been read yet"
        #: Called when the server says that a list changed: other processes of this guard read it again too.
        self.on_change: Callable[[], None] | None = None

    def changed(self, place: str) -> None:
        """Note that the server said that a list changed, read it again, and say so to whoever asked for it."""
        self.note_change(place)
        self._told.add(place)
        if self._following is None:
            self._follow()

    def note_change(self, place: str) -> None:
        """Have every call from now on wait for a reading that begins later: the one under way may have missed the change."""
        if len(self._changed_at) >= _PLACES:
            oldest = self._clock() - STALE_AFTER
            self._changed_at = {key: moment for key, moment in self._changed_at.items() if moment > oldest}
        self._changed_at[place] = self._clock()

    def _follow(self) -> None:
        """Read what changed, so that it is reported though nobody calls. A server that says so all the time is read once in
        a while."""
        self._following = None
        if not self._told:
            return
        under_way = {place for place in self._told if self._is_running(place) and self._is_early(place)}
        for place in self._told - under_way:
            self.refresh(place)
        self._told = under_way
        if self.on_change is not None:
            self.on_change()
        self._following = asyncio.get_running_loop().call_later(CHANGE_EVERY, self._follow)

    def _is_early(self, place: str) -> bool:
        """Whether the last reading began before the server said that a list changed."""
        return self._began.get(place, float("-inf")) < self._changed_at.get(place, float("-inf"))

    def follow(self, policy: Callable[[], Policy]) -> None:
        """Compare the server's lists with the pins of this policy."""
        self._policy = policy

    def aim(self, upstream: Upstream) -> None:
        """Read the lists of another server, whose address is in force."""
        self._upstream = upstream
        self.forget()

    async def fresh(self, place: str, kinds: Collection[EntryKind]) -> None:
        """Return once the lists of these kinds were read at most `STALE_AFTER` seconds ago, and since the server last said
        that one changed.

        Raises:
            Unreachable: one of them cannot be read, so no call can be judged.
        """
        moment = self._clock()
        needed = max(moment - STALE_AFTER, self._changed_at.get(place, float("-inf")))
        read_at = self._read_since(place, kinds)
        if read_at >= needed:
            if moment - read_at >= REFRESH_AFTER:
                self.refresh(place)
            return
        for _ in range(_ATTEMPTS):
            # A reading that ran already, or during which `forget` was called, may not count.
            joined, forgotten = self._is_running(place), self._forgotten
            await asyncio.shield(self.refresh(place))
            if self._read_since(place, kinds) >= needed:
                return
            if not joined and forgotten == self._forgotten:
                break
        raise Unreachable(self._failures.get(place) or "the server's lists cannot be read")

    def _read_since(self, place: str, kinds: Collection[EntryKind]) -> float:
        """When the oldest of these lists was read."""
        moments = self._read_at.get(place, {})
        return min(moments.get(kind, float("-inf")) for kind in kinds)

    def _is_running(self, place: str) -> bool:
        return place in self._running and not self._running[place].done()

    def refresh(self, place: str = "") -> asyncio.Task[bool]:
        """Read the lists, as the server said that one changed, or was restarted. A reading that runs already is joined.

        The task's result says whether the server answered as an MCP server.
        """
        if not self._is_running(place):
            self._running = {key: task for key, task in self._running.items() if not task.done()}
            self._began = {key: moment for key, moment in self._began.items() if key in self._running}
            self._began[place] = started = self._clock()
            self._running[place] = asyncio.get_running_loop().create_task(self._read(place, started))
        return self._running[place]

    async def reached(self) -> bool:
        """Read the lists, and return whether the server answered as an MCP server."""
        return await asyncio.shield(self.refresh())

    def forget(self) -> None:
        """Have the next call wait for a reading that begins later, as another lock or another server is in force."""
        self._read_at.clear()
        self._forgotten += 1

    async def _read(self, place: str, started: float) -> bool:
        forgotten = self._forgotten
        capabilities = self._policy().config.tool_lock.server.client_capabilities
        try:
            async with self._upstream.road(place) as road:
                offer = await read_offer(road, _patience(road), capabilities, rooms=self._rooms)
        except (ProbeFailed, UpstreamDown, InputError, TimeoutError) as error:
            self._fail(place, str(error) or "it does not answer as an MCP server in time")
            return False
        policy = self._policy()
        policy.pins.compare(offer)
        self._note_failures(offer)
        missing = [reason for kind, reason in offer.failed.items() if kind in _granted(policy)]
        if forgotten == self._forgotten:
            self._drop_stale()
            self._read_at[place] = {
                **self._read_at.get(place, {}),
                **{kind: started for kind in offer.lists if kind not in offer.failed},
            }
            self._failures[place] = "; ".join(offer.failed.values())
            # One session's process may fail by what its client did; it says nothing of the server.
            if not (missing and place):
                self.problem = "; ".join(missing) or None
        return True

    def _fail(self, place: str, problem: str) -> None:
        if self._failures.get(place) != problem:
            log.warning("the server's lists cannot be read: %s", problem)
        if len(self._failures) >= _PLACES:
            self._failures.clear()
        self._failures[place] = problem
        if not place:
            self.problem = problem

    def _note_failures(self, offer: ServerOffer) -> None:
        for kind, reason in offer.failed.items():
            if self._logged.get(kind) != reason:
                log.warning("a list of the server cannot be read, so nothing of it can be used: %s", reason)
        self._logged = dict(offer.failed)

    def _drop_stale(self) -> None:
        if len(self._read_at) >= _PLACES:
            oldest = self._clock() - STALE_AFTER
            self._read_at = {
                place: moments for place, moments in self._read_at.items() if max(moments.values(), default=0) > oldest
            }
        self._failures = {place: reason for place, reason in self._failures.items() if place in self._read_at}

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
        for task in self._running.values():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _patience(road: Road) -> float:
    if isinstance(road, CopyRoad):
        return START_PATIENCE
    if road.busy:
        return BUSY_PATIENCE
    return COMMAND_PATIENCE if isinstance(road, SharedRoad) else PATIENCE


def _granted(policy: Policy) -> set[EntryKind]:
    """The kinds of which somebody is granted something."""
    kinds: set[EntryKind] = set()
    for grant in policy.config.grants:
        kinds.update({"tools"} if grant.tools else ())
        kinds.update({"prompts"} if grant.prompts else ())
        kinds.update({"resources", "resource_templates"} if grant.resources else ())
    return kinds
