"""Budgets that refill, and calls in flight, in this process's memory.

Every budget is a **token bucket**: it holds one minute's worth, refills evenly, and may go below zero when a result turns
out larger than expected. So no 60 seconds see more than twice the figure, and the average never exceeds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_BUDGETS = 65_536
SWEEP_EVERY = 1.0


class CountersUnavailable(Exception):
    """The count cannot be taken, so the call cannot be allowed."""


@dataclass(frozen=True, slots=True)
class Charge:
    """`amount` from the budget `key`, which holds `per_minute`. `key` names its kind, then whose it is."""

    key: tuple[str, ...]
    per_minute: int
    amount: float


@dataclass(frozen=True, slots=True)
class Slot:
    """One of `most` calls that `owner` may have in flight."""

    owner: str
    ticket: str
    most: int


@dataclass(frozen=True, slots=True)
class Short:
    """What was lacking: the kind of the budget or "concurrency". `wait` in seconds; None: no waiting will help."""

    what: str
    wait: float | None


class Counters(Protocol):
    """Budgets and slots. Every method raises CountersUnavailable where the count cannot be taken."""

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        """Take the slot and all charges, or nothing at all and say what is short. A charge above a whole budget is short
        for ever."""
        ...

    async def charge(self, slot: Slot, charges: Sequence[Charge]) -> bool:
        """Take the charges even below zero; True if a budget is now at or below zero. Keeps the slot alive."""
        ...

    async def spend(self, charge: Charge) -> Short | None:
        """Take one charge without a slot, or nothing and say that it is short."""
        ...

    async def drain(self, charge: Charge) -> float:
        """Take as much of the charge as is left, and say how much that was; never below zero."""
        ...

    async def release(self, slot: Slot) -> None:
        """Give the slot back."""
        ...

    async def close(self) -> None: ...


class MemoryCounters:
    """For a guard that runs alone. `clock` is monotonic.

    Bounded: a budget is forgotten only once it is full again, when forgetting changes nothing. With `most` budgets that
    are not full, new principals are refused: forgetting a busy one would give it a fresh budget.
    """

    def __init__(self, clock: Callable[[], float], most: int = MAX_BUDGETS) -> None:
        self._clock = clock
        self._most = most
        #: key: [level, per minute, as of]
        self._budgets: dict[tuple[str, ...], tuple[float, int, float]] = {}
        self._slots: dict[str, set[str]] = {}
        self._swept = float("-inf")

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        held = self._slots.get(slot.owner)
        if held is not None and len(held) >= slot.most:
            return Short("concurrency", 1.0)
        now = self._clock()
        levels = [self._level(charge, now) for charge in charges]
        for charge, level in zip(charges, levels, strict=True):
            if level < charge.amount:
                return Short(charge.key[0], wait_for(charge, level))
        self._make_room(charges, now)
        for charge, level in zip(charges, levels, strict=True):
            self._budgets[charge.key] = (level - charge.amount, charge.per_minute, now)
        if held is None:
            self._slots[slot.owner] = {slot.ticket}
        else:
            held.add(slot.ticket)
        return None

    async def charge(self, slot: Slot, charges: Sequence[Charge]) -> bool:
        now = self._clock()
        exhausted = False
        for charge in charges:
            level = self._level(charge, now) - charge.amount
            self._budgets[charge.key] = (level, charge.per_minute, now)
            exhausted = exhausted or level <= 0
        return exhausted

    async def spend(self, charge: Charge) -> Short | None:
        now = self._clock()
        level = self._level(charge, now)
        if level < charge.amount:
            return Short(charge.key[0], wait_for(charge, level))
        self._make_room([charge], now)
        self._budgets[charge.key] = (level - charge.amount, charge.per_minute, now)
        return None

    async def drain(self, charge: Charge) -> float:
        now = self._clock()
        level = self._level(charge, now)
        taken = min(charge.amount, max(0.0, level))
        self._make_room([charge], now)
        self._budgets[charge.key] = (level - taken, charge.per_minute, now)
        return taken

    async def release(self, slot: Slot) -> None:
        held = self._slots.get(slot.owner)
        if held is not None:
            held.discard(slot.ticket)
            if not held:
                del self._slots[slot.owner]

    async def close(self) -> None:
        return None

    def _level(self, charge: Charge, now: float) -> float:
        found = self._budgets.get(charge.key)
        if found is None:
            return charge.per_minute
        level, _, since = found
        return min(charge.per_minute, level + max(0.0, now - since) * charge.per_minute / 60)

    def _make_room(self, charges: Sequence[Charge], now: float) -> None:
        if len(self._budgets) + len(charges) <= self._most:
            return
        new = sum(charge.key not in self._budgets for charge in charges)
        if len(self._budgets) + new > self._most and now - self._swept >= SWEEP_EVERY:
            self._swept = now
            self._budgets = {
                key: (level, per_minute, since)
                for key, (level, per_minute, since) in self._budgets.items()
                if level + (now - since) * per_minute / 60 < per_minute
            }
            new = sum(charge.key not in self._budgets for charge in charges)
        if len(self._budgets) + new > self._most:
            raise CountersUnavailable("too many principals have spent budgets")


def wait_for(charge: Charge, level: float) -> float | None:
    """Seconds until a budget at `level` holds the charge; None if it never will."""
    if charge.amount > charge.per_minute:
        return None
    return (charge.amount - level) * 60 / charge.per_minute
