"""Budgets and places that the workers of one guard share: the hub counts, each worker asks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from guard.decide.counters import CONCURRENCY, Charge, Counters, CountersUnavailable, Short, Slot
from guard.workers.channel import Channel, ChannelSilent


class WorkersSilent(CountersUnavailable):
    """The process that counts for all workers did not answer."""

    key = "--workers"


class SharedCounters:
    """Counters at the other end of a channel. Every method raises CountersUnavailable where that does not answer."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        try:
            return _short(await self._ask("take", [_row(slot), [_charge(charge) for charge in charges]]))
        except (CountersUnavailable, asyncio.CancelledError):
            # It may be counted all the same. Nobody will use its place; the line keeps the order.
            self._give_back(slot, ())
            raise

    async def charge(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        return _short(await self._ask("charge", [_row(slot), [_charge(charge) for charge in charges]]))

    async def spend(self, charges: Sequence[Charge]) -> Short | None:
        return _short(await self._ask("spend", [_charge(charge) for charge in charges]))

    async def drain(self, charge: Charge) -> float:
        return float(await self._ask("drain", _charge(charge)))

    async def release(self, slot: Slot, charges: Sequence[Charge] = ()) -> None:
        self._give_back(slot, charges)

    async def close(self) -> None:
        return None

    def _give_back(self, slot: Slot, charges: Sequence[Charge]) -> None:
        """Told, not asked: the line keeps the order, and where it is closed the hub gives back what a lost worker held. The
        owner's next call may reach the hub through another worker first, so that looks twice (`CountingHub`)."""
        self._channel.tell("release", [_row(slot), [_charge(charge) for charge in charges]])

    async def _ask(self, question: str, value: Any) -> Any:
        try:
            answer = await self._channel.ask(question, value)
        except ChannelSilent as problem:
            raise WorkersSilent(str(problem)) from None
        if answer == UNCOUNTED:
            raise CountersUnavailable("the count cannot be taken")
        return answer


#: The hub's answer where the count cannot be taken.
UNCOUNTED = "uncounted"
#: Seconds after which the hub looks again for a free place: what stands unread in its lines is read by then.
AGAIN_SECONDS = 0.005


class CountingHub:
    """The hub's side of the counters. `answer` is a worker's question; `lose` gives back what a lost worker held."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._held: dict[int, dict[str, Slot]] = {}
        #: Tickets of calls for which a place is looked for once more.
        self._again: set[str] = set()

    def answer(self, worker: int, question: str, value: Any) -> Any:
        try:
            if question == "take":
                return self._take(worker, value)
            return self._answer(worker, question, value)
        except CountersUnavailable:
            return UNCOUNTED

    def _take(self, worker: int, value: Any) -> Any:
        slot, charges = Slot(*value[0]), [_charged(row) for row in value[1]]
        short = self._try_to_take(worker, slot, charges)
        if short is not None and short.limit == CONCURRENCY:
            return self._take_later(worker, slot, charges)
        return _members(short)

    async def _take_later(self, worker: int, slot: Slot, charges: Sequence[Charge]) -> Any:
        """Take a place once what other workers told before has been read: by their answers their callers know of it, and
        call again at any worker."""
        self._again.add(slot.ticket)
        try:
            await asyncio.sleep(AGAIN_SECONDS)
            if slot.ticket not in self._again:
                return None  # released meanwhile, so nobody waits for it
            return _members(self._try_to_take(worker, slot, charges))
        except CountersUnavailable:
            return UNCOUNTED
        finally:
            self._again.discard(slot.ticket)

    def _try_to_take(self, worker: int, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        short: Short | None = _result(self._counters.take(slot, charges))
        if short is None:
            self._held.setdefault(worker, {})[slot.ticket] = slot
        return short

    def _answer(self, worker: int, question: str, value: Any) -> Any:
        counters = self._counters
        if question == "spend":
            return _members(_result(counters.spend([_charged(row) for row in value])))
        if question == "drain":
            return _result(counters.drain(_charged(value)))
        slot, charges = Slot(*value[0]), [_charged(row) for row in value[1]]
        if question == "charge":
            return _members(_result(counters.charge(slot, charges)))
        self._held.get(worker, {}).pop(slot.ticket, None)
        self._again.discard(slot.ticket)
        return _result(counters.release(slot, charges))

    def lose(self, worker: int) -> None:
        for slot in self._held.pop(worker, {}).values():
            _result(self._counters.release(slot))


#: The questions that `CountingHub` answers.
QUESTIONS = frozenset(("take", "charge", "spend", "drain", "release"))


def _result(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that never waits, as those of counters in memory: no task is made for it."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise CountersUnavailable("the counters waited")


def _row(slot: Slot) -> list[Any]:
    return [slot.owner, slot.ticket, slot.most]


def _charge(charge: Charge) -> list[Any]:
    return [charge.key, charge.most, charge.amount, charge.seconds]


def _charged(row: Sequence[Any]) -> Charge:
    key, most, amount, seconds = row
    return Charge(tuple(key), most, amount, seconds)


def _short(row: Sequence[Any] | None) -> Short | None:
    return None if row is None else Short(*row)


def _members(short: Short | None) -> list[Any] | None:
    return None if short is None else [short.limit, short.wait, short.most, short.used]
