"""How much a principal may do: calls in flight, calls and tokens a minute, per principal and per principal and tool.

The gateway limits requests per principal and tokens of the whole server; it cannot tell tools apart.
"""

from __future__ import annotations

import itertools
import math
import secrets
from dataclasses import replace

from guard.decide.counters import Charge, Counters, CountersUnavailable, Short, Slot
from guard.decide.grants import ToolRight
from guard.decide.tokens import seconds_to_next_minute
from guard.identity.principal import Principal
from model.defaults import Limits as LimitSettings

#: A gateway stands before the guard and did not say what is left of the server's budget: closed, as a count that cannot be
#: taken is.
NO_REMAINDER = "gateway remainder missing"


class Limited(Exception):
    """A request beyond a limit, refused before anything is executed. `what` is concurrency, requests_per_minute,
    tokens_per_minute, principal_tokens_per_minute, server_tokens_per_minute, sessions, "counters unavailable" or
    NO_REMAINDER; `retry_after_seconds` is None where waiting will not help."""

    def __init__(self, what: str, retry_after_seconds: int | None) -> None:
        self.what = what
        self.retry_after_seconds = retry_after_seconds
        super().__init__(what)


class Ticket:
    """One admitted request. `release` it when its answer has ended, however it ended."""

    __slots__ = ("_budgets", "_counters", "_released", "_slot", "exhausted")

    def __init__(self, counters: Counters, slot: Slot | None, budgets: tuple[Charge, ...]) -> None:
        self._counters = counters
        self._slot = slot
        self._budgets = budgets
        self._released = slot is None
        #: True once a token budget is used up: end the stream. The next call is refused until it has refilled.
        self.exhausted = False

    async def charge(self, tokens: int) -> None:
        """Charge tokens of a result, even beyond the budget; tokens that cannot be counted exhaust it."""
        if not self._budgets or tokens <= 0:
            return
        charges = [replace(budget, amount=float(tokens)) for budget in self._budgets]
        # A request without a slot owns none: charging keeps alive only what was taken.
        slot = self._slot or Slot(self._budgets[0].key[-1], "", 0)
        try:
            self.exhausted = await self._counters.charge(slot, charges)
        except CountersUnavailable:
            self.exhausted = True

    async def release(self) -> None:
        """Give the call's place back; again has no effect."""
        if self._slot is not None and not self._released:
            self._released = True
            await self._counters.release(self._slot)


class Limits:
    """The limits of one server's guard. `behind_gateway`: Kong counts the whole server's tokens before it, and says what is
    left."""

    def __init__(self, settings: LimitSettings, counters: Counters, *, behind_gateway: bool = False) -> None:
        self._settings = settings
        self._behind_gateway = behind_gateway
        self._counters = counters
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()

    async def admit(self, principal: Principal, tool: str | None, right: ToolRight | None, tokens: int) -> Ticket:
        """Admit one call of `tokens` request tokens, or another request with a cost (`tool` None).

        `right` carries the tool's limits, already the tighter of the server's and the grants'. Raises Limited.
        """
        slot = Slot(principal.id, f"{self._run}.{next(self._numbers)}", self._settings.concurrency)
        charges = [self._own(principal, tokens)]
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
            raise _limited(short)
        budgets = tuple(charge for charge in charges if charge.key[0] != "requests_per_minute")
        return Ticket(self._counters, slot, budgets)

    async def admit_structural(self, principal: Principal, tokens: int) -> Ticket:
        """Admit a request that holds no place among calls in flight (a list, a ping). Raises Limited."""
        charge = self._own(principal, tokens)
        try:
            short = await self._counters.spend(charge)
        except CountersUnavailable:
            raise Limited("counters unavailable", 1) from None
        if short is not None:
            raise _limited(short)
        return Ticket(self._counters, None, (charge,))

    async def fine(self, principal: Principal, tokens: int) -> int:
        """Charge what was refused, or needs no leave, to its sender alone, as far as its budget goes; how much that was.

        The server's budget never pays for more: one principal's junk would close the server for everyone.
        """
        if tokens <= 0:
            return 0
        try:
            return int(await self._counters.drain(self._own(principal, tokens)))
        except CountersUnavailable:
            return 0

    def check_server(self, remaining: int | None, now: float) -> None:
        """Judge the server's budget by what Kong says is left of it (`now` is the clock's time). Raises Limited.

        Without a gateway before the guard (a demo identity) nobody counts for the server.
        """
        if not self._behind_gateway:
            return
        if remaining is None:
            raise Limited(NO_REMAINDER, None)
        if remaining <= 0:
            raise Limited("server_tokens_per_minute", seconds_to_next_minute(now))

    def _own(self, principal: Principal, tokens: int) -> Charge:
        key = ("principal_tokens_per_minute", principal.id)
        return Charge(key, self._settings.principal_tokens_per_minute, float(tokens))


def _limited(short: Short) -> Limited:
    return Limited(short.what, None if short.wait is None else max(1, math.ceil(short.wait)))
