"""Counters of budgets that refill and of calls in flight: their interface, and the counters in this process's memory.

Every budget is a **token bucket**: it holds one period's worth, refills evenly, and may go below zero when a result turns
out larger than expected. So no period sees more than twice the figure, and the average never exceeds it. The same
counters in Redis are in `guard.decide.redis_counters`; which budgets there are is decided in `guard.decide.limits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from model.value_types import value_type

MAX_BUDGETS = 65_536
SWEEP_EVERY = 1.0
#: The limit of calls in flight, as `Short` names it.
CONCURRENCY = "concurrency"


class CountersUnavailable(Exception):
    """The count cannot be taken, so the call cannot be allowed. `key` is what has the counters kept elsewhere."""

    key = "guard.redis"


@value_type()
class Charge:
    """`amount` to be taken from the budget `key`, which holds `most` and is full again after `seconds`.

    A key is the budget's kind, then its owner.
    """

    key: tuple[str, ...]
    most: int
    amount: float
    seconds: int = 60


@value_type()
class Slot:
    """One of `most` calls that `owner` may have in flight."""

    owner: str
    ticket: str
    most: int


@dataclass(frozen=True, slots=True)
class Short:
    """The limit that was reached: a kind of budget, or `CONCURRENCY`, what it holds and how much of that is used.

    `wait` is in seconds; None: waiting does not help.
    """

    limit: str
    wait: float | None
    most: int
    used: float


class Counters(Protocol):
    """Budgets and slots. Every method raises CountersUnavailable where the count cannot be taken."""

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        """Take the slot and all charges, or take nothing and return the limit that was reached.

        A charge larger than its whole budget can never be taken.
        """
        ...

    async def charge(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        """Take the charges even below zero; returns a budget that is now at or below zero. Keeps the slot alive."""
        ...

    async def spend(self, charges: Sequence[Charge]) -> Short | None:
        """Take all charges without a slot, or take nothing and return the limit that was reached."""
        ...

    async def drain(self, charge: Charge) -> float:
        """Take as much of the charge as the budget holds, never going below zero. Returns the amount taken."""
        ...

    async def release(self, slot: Slot, charges: Sequence[Charge] = ()) -> None:
        """Give the slot back, and take the charges even below zero. Never raises: what cannot be counted now is owed."""
        ...

    async def close(self) -> None: ...


class MemoryCounters:
    """Counters of a guard without replicas. `clock` is monotonic, in seconds.

    At most `most` budgets are held. A budget is forgotten only once it is full again, when forgetting changes nothing.
    While all of them are in use new principals are refused, as forgetting a budget in use would give it out afresh.
    """

    def __init__(self, clock: Callable[[], float], most: int = MAX_BUDGETS) -> None:
        self._clock = clock
        self._most = most
        #: Of each budget: its level, what it holds, the seconds until it is full again, and the time of the level.
        self._budgets: dict[tuple[str, ...], tuple[float, int, int, float]] = {}
        self._slots: dict[str, set[str]] = {}
        self._swept = float("-inf")

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        held = self._slots.get(slot.owner)
        if held is not None and len(held) >= slot.most:
            return full(slot)
        short = await self.spend(charges)
        if short is not None:
            return short
        if held is None:
            self._slots[slot.owner] = {slot.ticket}
        else:
            held.add(slot.ticket)
        return None

    async def charge(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        time = self._clock()
        used_up: Short | None = None
        for charge in charges:
            level = self._level(charge, time) - charge.amount
            self._budgets[charge.key] = (level, charge.most, charge.seconds, time)
            if level <= 0 and used_up is None:
                used_up = overdrawn(charge, level)
        return used_up

    async def spend(self, charges: Sequence[Charge]) -> Short | None:
        time = self._clock()
        levels = []
        for charge in charges:
            level = self._level(charge, time)
            if level < charge.amount:
                return short_of(charge, level)
            levels.append(level)
        self._make_room(charges, time)
        for charge, level in zip(charges, levels, strict=True):
            self._budgets[charge.key] = (level - charge.amount, charge.most, charge.seconds, time)
        return None

    async def drain(self, charge: Charge) -> float:
        time = self._clock()
        level = self._level(charge, time)
        drained = min(charge.amount, max(0.0, level))
        self._make_room([charge], time)
        self._budgets[charge.key] = (level - drained, charge.most, charge.seconds, time)
        return drained

    async def release(self, slot: Slot, charges: Sequence[Charge] = ()) -> None:
        if charges:
            await self.charge(slot, charges)
        held = self._slots.get(slot.owner)
        if held is not None:
            held.discard(slot.ticket)
            if not held:
                del self._slots[slot.owner]

    async def close(self) -> None:
        return None

    def _level(self, charge: Charge, time: float) -> float:
        budget = self._budgets.get(charge.key)
        if budget is None:
            return charge.most
        level, _, _, since = budget
        return min(charge.most, level + max(0.0, time - since) * charge.most / charge.seconds)

    def _make_room(self, charges: Sequence[Charge], time: float) -> None:
        if len(self._budgets) + len(charges) <= self._most:
            return
        new = sum(charge.key not in self._budgets for charge in charges)
        if len(self._budgets) + new > self._most and time - self._swept >= SWEEP_EVERY:
            self._swept = time
            self._budgets = {
                key: (level, most, seconds, since)
                for key, (level, most, seconds, since) in self._budgets.items()
                if level + (time - since) * most / seconds < most
            }
            new = sum(charge.key not in self._budgets for charge in charges)
        if len(self._budgets) + new > self._most:
            raise CountersUnavailable("too many principals have spent budgets")


def short_of(charge: Charge, level: float) -> Short:
    """A budget at `level`, which does not hold the charge. It never will where the charge is larger than the budget."""
    wait = None if charge.amount > charge.most else (charge.amount - level) * charge.seconds / charge.most
    return Short(charge.key[0], wait, charge.most, charge.most - level)


def overdrawn(charge: Charge, level: float) -> Short:
    """A budget that a charge took to `level`, at or below zero; the wait is until it is above zero again."""
    return Short(charge.key[0], -level * charge.seconds / charge.most, charge.most, charge.most - level)


def full(slot: Slot) -> Short:
    """All places of calls in flight are taken; how soon one is free nobody knows."""
    return Short(CONCURRENCY, 1.0, slot.most, slot.most)
