"""The limits of a principal: calls in flight, calls a minute, tokens a minute; of all its calls and of each tool's.

The gateway limits requests per principal and tokens of the whole server, and cannot tell tools apart. How budgets are
counted is in `guard.decide.counters`.
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

#: A gateway stands before the guard and did not say what is left of the server's budget. The request is refused, as it is
#: whenever a count cannot be taken.
NO_REMAINDER = "gateway remainder missing"


class Limited(Exception):
    """A request beyond a limit, refused before anything is executed.

    `limit` is concurrency, requests_per_minute, tokens_per_minute, principal_tokens_per_minute, server_tokens_per_minute,
    sessions, "counters unavailable" or NO_REMAINDER. `retry_after_seconds` is None where waiting will not help.
    """

    def __init__(self, limit: str, retry_after_seconds: int | None) -> None:
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds
        super().__init__(limit)


class Admission:
    """One admitted request. `release` it when it is over, whether it succeeded or failed."""

    __slots__ = ("_budgets", "_counters", "_released", "_slot", "exhausted")

    def __init__(self, counters: Counters, slot: Slot | None, budgets: tuple[Charge, ...]) -> None:
        self._counters = counters
        self._slot = slot
        self._budgets = budgets
        self._released = slot is None
        #: True once a token budget is used up. The caller then ends the stream; the next call is refused until the budget
        #: has refilled.
        self.exhausted = False

    async def charge(self, tokens: int) -> None:
        """Charge tokens of a result, even beyond the budget. If they cannot be counted the budget counts as used up."""
        if not self._budgets or tokens <= 0:
            return
        charges = [replace(budget, amount=float(tokens)) for budget in self._budgets]
        # A request without a slot is charged under a slot that nobody took, so charging renews none.
        slot = self._slot or Slot(self._budgets[0].key[-1], "", 0)
        try:
            self.exhausted = await self._counters.charge(slot, charges)
        except CountersUnavailable:
            self.exhausted = True

    async def release(self) -> None:
        """Give the call's place back. A second release has no effect."""
        if self._slot is not None and not self._released:
            self._released = True
            await self._counters.release(self._slot)


class Limiter:
    """The limits of one server's guard.

    With `behind_gateway` Kong stands before the guard, counts the whole server's tokens and says how many are left.
    """

    def __init__(self, settings: LimitSettings, counters: Counters, *, behind_gateway: bool = False) -> None:
        self._settings = settings
        self._behind_gateway = behind_gateway
        self._counters = counters
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()

    async def admit(self, principal: Principal, tool: str | None, right: ToolRight | None, tokens: int) -> Admission:
        """Admit one tool call of `tokens` request tokens, or another request that holds a place (`tool` None).

        `right` has the tool's limits, which are already the tighter of the server's and the grants'. Raises Limited.
        """
        slot = Slot(principal.id, f"{self._run}.{next(self._numbers)}", self._settings.concurrency)
        charges = [self._principal_charge(principal, tokens)]
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
        return Admission(self._counters, slot, budgets)

    async def admit_structural(self, principal: Principal, tokens: int) -> Admission:
        """Admit a request that holds no place among the calls in flight (a list, a ping). Raises Limited."""
        charge = self._principal_charge(principal, tokens)
        try:
            short = await self._counters.spend(charge)
        except CountersUnavailable:
            raise Limited("counters unavailable", 1) from None
        if short is not None:
            raise _limited(short)
        return Admission(self._counters, None, (charge,))

    async def fine(self, principal: Principal, tokens: int) -> int:
        """Charge a message that was refused, or is never refused, to its sender's budget as far as that goes.

        Returns the tokens charged. The server's budget never pays for more than these, or one principal's junk would close
        the server to everyone.
        """
        if tokens <= 0:
            return 0
        try:
            return int(await self._counters.drain(self._principal_charge(principal, tokens)))
        except CountersUnavailable:
            return 0

    def check_server(self, remaining: int | None, time: float) -> None:
        """Judge the server's budget by what Kong says is left of it (`time` is in seconds since the epoch). Raises Limited.

        Without a gateway before the guard (a demo identity) the server has no budget.
        """
        if not self._behind_gateway:
            return
        if remaining is None:
            raise Limited(NO_REMAINDER, None)
        if remaining <= 0:
            raise Limited("server_tokens_per_minute", seconds_to_next_minute(time))

    def _principal_charge(self, principal: Principal, tokens: int) -> Charge:
        key = ("principal_tokens_per_minute", principal.id)
        return Charge(key, self._settings.principal_tokens_per_minute, float(tokens))


def _limited(short: Short) -> Limited:
    return Limited(short.limit, None if short.wait is None else max(1, math.ceil(short.wait)))
