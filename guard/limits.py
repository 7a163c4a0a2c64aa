"""How much a principal may do: calls in flight, calls and tokens a minute, per principal and per principal and tool.

The gateway limits requests per principal and tokens of the whole server; it cannot tell tools apart.
"""

from __future__ import annotations

import itertools
import math
import secrets
from dataclasses import replace

from guard.counters import Charge, Counters, CountersUnavailable, Slot
from guard.grants import ToolRight
from guard.principal import Principal
from model.defaults import Limits as LimitSettings


class Limited(Exception):
    """A call beyond a limit. `what` is concurrency, requests_per_minute, tokens_per_minute, principal_tokens_per_minute or
    "counters unavailable"; `retry_after_seconds` is None where waiting will not help."""

    def __init__(self, what: str, retry_after_seconds: int | None) -> None:
        self.what = what
        self.retry_after_seconds = retry_after_seconds
        super().__init__(what)


class Ticket:
    """One admitted call. `release` it when its answer has ended, however it ended."""

    __slots__ = ("_budgets", "_counters", "_released", "_slot", "exhausted")

    def __init__(self, counters: Counters, slot: Slot, budgets: tuple[Charge, ...]) -> None:
        self._counters = counters
        self._slot = slot
        self._budgets = budgets
        self._released = False
        #: True once a token budget is used up: end the stream. The next call is refused until it has refilled.
        self.exhausted = False

    async def charge(self, tokens: int) -> None:
        """Charge tokens of a result, even beyond the budget; tokens that cannot be counted exhaust it."""
        if not self._budgets or tokens <= 0:
            return
        charges = [replace(budget, amount=float(tokens)) for budget in self._budgets]
        try:
            self.exhausted = await self._counters.charge(self._slot, charges)
        except CountersUnavailable:
            self.exhausted = True

    async def release(self) -> None:
        """Give the call's place back; again has no effect."""
        if not self._released:
            self._released = True
            await self._counters.release(self._slot)


class Limits:
    """The limits of one server's guard."""

    def __init__(self, settings: LimitSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()

    async def admit(self, principal: Principal, tool: str | None, right: ToolRight | None, tokens: int) -> Ticket:
        """Admit one call of `tokens` request tokens, or a request that calls no tool (`tool` None).

        `right` carries the tool's limits, already the tighter of the server's and the grants'. Raises Limited.
        """
        slot = Slot(principal.id, f"{self._run}.{next(self._numbers)}", self._settings.concurrency)
        person = ("principal_tokens_per_minute", principal.id)
        charges = [Charge(person, self._settings.principal_tokens_per_minute, float(tokens))]
        if tool is not None and right is not None:
            if right.requests_per_minute is not None:
                key = ("requests_per_minute", principal.id, tool)
                charges.append(Charge(key, right.requests_per_minute, 1.0))
            if right.tokens_per_minute is not None:
                key = ("tokens_per_minute", principal.id, tool)
                charges.append(Charge(key, right.tokens_per_minute, float(tokens)))
        try:
            short = await self._counters.take(slot, charges)
        except CountersUnavailable:
            raise Limited("counters unavailable", 1) from None
        if short is not None:
            raise Limited(short.what, None if short.wait is None else max(1, math.ceil(short.wait)))
        budgets = tuple(charge for charge in charges if charge.key[0] != "requests_per_minute")
        return Ticket(self._counters, slot, budgets)
