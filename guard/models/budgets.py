"""The budgets of a model route: requests, tokens and cost a minute, an hour and a day, of a principal, a grant, and all.

A request takes its place and what it may cost at most before it is sent, and what it did cost in its stead afterwards. What
it may cost is its input by estimate and the most that it lets the model answer. Where a budget holds less than that, the
request takes all that is left: then nothing is left for another one, so requests that run side by side overshoot a budget
by one of them at most, and a budget need not be larger than the largest answer anybody could ask for.
"""

from __future__ import annotations

import itertools
import logging
import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from guard.decide.counters import Charge, Counters, CountersUnavailable, Short, Slot
from guard.decide.limits import UNCOUNTED, Limited, ReachedLimit
from guard.models.usage import MICRO, NOTHING, ModelUsage, amount_of, micro_of
from model.model_guard_config import InnerModel, ModelGuardConfig
from model.model_route import ModelBudget, Price

log = logging.getLogger("ringwall.guard.models")

#: Output tokens that a request without any bound takes beforehand: few models answer more at once. Where the budget holds
#: less, it takes the rest.
UNBOUNDED = 32_768
_PERIODS = {"minute": 60, "hour": 3600, "day": 86_400}
#: The owner of the budgets that all principals share.
EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One figure of a budget: its key in the stack file, whose it is, what it counts, and how much of it in how long."""

    key: str
    owner: str
    unit: str
    most: int
    seconds: int

    def amount(self, requests: int, usage: ModelUsage, price: Price | None) -> int:
        """What this line counts of a usage."""
        if self.unit == "requests":
            return requests
        return usage.tokens if self.unit == "tokens" else micro_of(usage.cost(price))

    def charge(self, amount: int) -> Charge:
        return Charge((self.key, self.owner), self.most, float(amount), self.seconds)


class Reservation:
    """One admitted request. `settle` it once with what it used, and `release` it when it is over."""

    def __init__(
        self,
        counters: Counters,
        slot: Slot,
        lines: Sequence[BudgetLine],
        reserved: Sequence[float],
        price: Price | None,
    ) -> None:
        self._counters = counters
        self._slot = slot
        self._lines = lines
        self._reserved = reserved
        self._price = price
        self._settled = False
        self._released = False

    async def settle(self, usage: ModelUsage) -> bool:
        """Charge what was used in place of what was taken. A second one has no effect, and returns False."""
        if self._settled:
            return False
        self._settled = True
        charges = [
            replace(line.charge(0), amount=difference)
            for line, reserved in zip(self._lines, self._reserved, strict=True)
            if line.unit != "requests" and (difference := line.amount(1, usage, self._price) - reserved)
        ]
        try:
            if charges:
                await self._counters.charge(self._slot, charges)
        except CountersUnavailable:
            log.warning("the counters are out of reach; what a request used is counted once they are back")
        return True

    async def release(self) -> None:
        """Give the request's place back; what was not settled is given back whole, as nothing was sent."""
        await self.settle(NOTHING)
        if not self._released:
            self._released = True
            await self._counters.release(self._slot)


class ModelBudgets:
    """All budgets of one configuration, counted in `counters`."""

    def __init__(self, config: ModelGuardConfig, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()

    async def reserve(
        self, principal: str, grants: Sequence[int], model: InnerModel, input_tokens: int, output_tokens: int | None
    ) -> Reservation:
        """Take one request's place and budget; raises Limited.

        Args:
            grants: numbers of the grants that give this principal the model.
            output_tokens: the most that all answers together may have; None: nothing bounds them.
        """
        most = ModelUsage(input_tokens, UNBOUNDED if output_tokens is None else output_tokens)
        least = ModelUsage(input_tokens)
        slot = Slot(principal, f"{self._run}.{next(self._numbers)}", self._config.limits.concurrency)
        lines = list(self._lines(principal, grants))
        charges = [line.charge(line.amount(1, most, model.price)) for line in lines]
        while True:
            try:
                short = await self._counters.take(slot, charges)
            except CountersUnavailable:
                raise Limited(UNCOUNTED) from None
            if short is None:
                return Reservation(self._counters, slot, lines, [charge.amount for charge in charges], model.price)
            if short.limit == "concurrency":
                raise Limited(ReachedLimit("limits.concurrency", slot.most, slot.most, 1))
            index = next(index for index, line in enumerate(lines) if line.key == short.limit)
            needed = max(1, lines[index].amount(1, least, model.price))
            remaining = math.floor(short.most - short.used)
            # A smaller amount each time, so this ends.
            if remaining < needed or remaining >= charges[index].amount:
                raise Limited(_reached(lines[index], short, needed))
            charges[index] = replace(charges[index], amount=float(remaining))

    def _lines(self, principal: str, grants: Sequence[int]) -> Iterator[BudgetLine]:
        limits = self._config.limits
        yield from _figures("limits.principal", principal, limits.principal)
        yield from _figures("limits.all", EVERYONE, limits.all)
        generous: dict[str, BudgetLine] = {}
        unlimited: set[str] = set()
        for number in grants:
            lines = {_figure(line): line for line in self._granted(number, principal)}
            unlimited |= {name for name in ModelBudget.model_fields if name not in lines}
            for name, line in lines.items():
                if name not in generous or line.most > generous[name].most:
                    generous[name] = line
        # Of several grants of a model the most generous counts, figure by figure, as for tools.
        yield from (line for name, line in generous.items() if name not in unlimited)

    def _granted(self, number: int, principal: str) -> Iterator[BudgetLine]:
        return _figures(f"grants.{number}.budget", principal, self._config.grants[number].budget)


def _figure(line: BudgetLine) -> str:
    return line.key.rpartition(".")[2]


def _figures(place: str, owner: str, budget: ModelBudget) -> Iterator[BudgetLine]:
    # The longer period first: where both are used up, it is what the caller has to wait for.
    for name in reversed(ModelBudget.model_fields):
        value = getattr(budget, name)
        if value is not None:
            unit, _, period = name.partition("_per_")
            most = value if isinstance(value, int) else int(Decimal(value) * MICRO)
            yield BudgetLine(f"{place}.{name}", owner, unit, most, _PERIODS[period])


def _reached(line: BudgetLine, short: Short, needed: int) -> ReachedLimit:
    remaining = line.most - short.used
    wait = None if needed > line.most else max(1, math.ceil((needed - remaining) * line.seconds / line.most))
    return ReachedLimit(line.key, line.most, min(math.ceil(short.used), 2**53), wait)


def limit_text(reached: ReachedLimit) -> str:
    """What the caller reads of a limit."""
    if reached.most is None or reached.used is None:
        return reached.text
    name = reached.key.rpartition(".")[2]
    unit, _, period = name.partition("_per_")
    if not period:
        return reached.text
    most, used = str(reached.most), str(reached.used)
    if unit == "cost":
        most, used = (amount_of(int(number) * MICRO) for number in (most, used))
    text = f"The limit {reached.key} is reached: {most} {unit} a {period}, {used} used."
    if reached.retry_after_seconds is None:
        return f"{text} This request alone is larger than that."
    return f"{text} Try again in {reached.retry_after_seconds} s."


def limit_json(reached: ReachedLimit) -> dict[str, Any]:
    """The limit for the audit log; an amount is a text, as in the stack file."""
    members = reached.as_json()
    if "cost_per_" in reached.key:
        members |= {name: amount_of(members[name] * MICRO) for name in ("most", "used") if name in members}
    return members
