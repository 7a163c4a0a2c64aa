"""The limits of a principal: calls in flight, requests and tokens; of all its calls and of each tool's.

The gateway stops floods at a multiple of these (`components.gateway.flood`) and counts tokens of the whole server; it
cannot tell tools apart, nor answer inside the protocol. How budgets are counted is in `guard.decide.counters`.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from guard.decide.counters import CONCURRENCY, Charge, Counters, CountersUnavailable, Short, Slot
from guard.decide.grants import ToolRight
from guard.decide.tokens import seconds_to_next_minute
from guard.identity.principal import Principal
from model.defaults import Limits as LimitSettings

#: What a limit counts, by the last part of its key.
_UNITS = {
    "concurrency": "calls in flight",
    "requests_per_minute": "requests a minute",
    "requests_per_hour": "requests an hour",
    "tokens_per_minute": "tokens a minute",
    "principal_tokens_per_minute": "tokens a minute",
    "body_kilobytes": "KiB a request",
    "sessions": "sessions of all callers",
}
#: The keys of limits that every server has; those of single tools and grants come on top.
LIMIT_KEYS = (*(f"limits.{name}" for name in _UNITS if name != "sessions"), "sessions", "guard.redis")


@dataclass(frozen=True, slots=True)
class ReachedLimit:
    """A limit: the stack file's key that sets it, what it allows, how much of that is used, and when to come again.

    `most` and `used` are None where nothing could be counted. `retry_after_seconds` is None where waiting does not help.
    """

    key: str
    most: int | None = None
    used: int | None = None
    retry_after_seconds: int | None = None

    @property
    def text(self) -> str:
        """What the caller reads of it."""
        if self.most is None:
            return f"The limit {self.key} cannot be counted at this moment."
        return f"The limit {self.key} is reached: {self.most} {_UNITS[self.key.rpartition('.')[2]]}, {self.used} used."

    def as_json(self) -> dict[str, Any]:
        """The limit for programs and for the audit log; no member where there is no number."""
        members = {
            "limit": self.key,
            "most": self.most,
            "used": self.used,
            "retryAfterSeconds": self.retry_after_seconds,
        }
        return {name: value for name, value in members.items() if value is not None}


#: The limits whose refusals have counted the request already, or find nothing left to count it by.
COUNTED_KEYS = frozenset(("limits.requests_per_minute", "limits.requests_per_hour", "limits.body_kilobytes"))
#: The counters are out of reach: no count is never a free pass.
UNCOUNTED = ReachedLimit("guard.redis", retry_after_seconds=1)
#: A gateway stands before the guard and did not say what is left of the server's budget. The request is refused, as it is
#: whenever a count cannot be taken.
NO_REMAINDER = ReachedLimit("limits.tokens_per_minute")


#: Principals whose charges for a request are kept made.
_MOST_CHARGES = 4096


class Limited(Exception):
    """A request beyond a limit, refused before anything is executed."""

    def __init__(self, reached: ReachedLimit) -> None:
        self.reached = reached
        super().__init__(reached.key)


class Admission:
    """One admitted request. `release` it when it is over, whether it succeeded or failed."""

    __slots__ = ("_budgets", "_counters", "_due", "_released", "_slot", "exhausted")

    def __init__(self, counters: Counters, slot: Slot | None, budgets: tuple[Charge, ...]) -> None:
        self._counters = counters
        self._slot = slot
        self._budgets = budgets
        self._released = False
        #: Tokens of its result that are charged when it is released.
        self._due = 0
        #: The token budget that is used up. The caller then ends the stream; the next call is refused until the budget has
        #: refilled.
        self.exhausted: ReachedLimit | None = None

    async def charge(self, tokens: int) -> None:
        """Charge tokens of a part of a result, even beyond the budget. If they cannot be counted the budget counts as used
        up."""
        if not self._budgets or tokens <= 0:
            return
        try:
            short = await self._counters.charge(self._place, self._charges(tokens))
        except CountersUnavailable as problem:
            self.exhausted = _uncounted(problem)
        else:
            self.exhausted = None if short is None else _reached(short)

    def owe(self, tokens: int) -> None:
        """Charge tokens of a whole result when the request is released, in one step with it."""
        self._due += tokens

    async def release(self) -> None:
        """Give the call's place back, and charge what is owed. A second release has no effect."""
        if self._released:
            return
        self._released = True
        charges = self._charges(self._due) if self._due > 0 else ()
        if charges or self._slot is not None:
            await self._counters.release(self._place, charges)

    @property
    def _place(self) -> Slot:
        """The slot; that of a request without one is a slot that nobody took, so charging renews none."""
        return self._slot or Slot(self._budgets[0].key[-1], "", 0)

    def _charges(self, tokens: int) -> Sequence[Charge]:
        return [Charge(budget.key, budget.most, float(tokens), budget.seconds) for budget in self._budgets]


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
        self._request_charges: dict[str, tuple[Charge, Charge]] = {}

    async def admit(self, principal: Principal, tool: str | None, right: ToolRight | None, tokens: int) -> Admission:
        """Admit one tool call of `tokens` request tokens, or another request that holds a place (`tool` None).

        `right` has the tool's limits, which are already the tighter of the server's and the grants'. Raises Limited.
        """
        slot = Slot(principal.id, f"{self._run}.{next(self._numbers)}", self._settings.concurrency)
        budgets = [self._principal_tokens(principal, tokens)]
        charges = [*self._requests(principal), *budgets]
        if tool is not None and right is not None:
            if right.requests_per_minute is not None:
                key = self._tool_key(tool, "requests_per_minute", right.requests_per_minute)
                charges.append(Charge((key, principal.id, tool), right.requests_per_minute, 1.0))
            if right.tokens_per_minute is not None:
                key = self._tool_key(tool, "tokens_per_minute", right.tokens_per_minute)
                budgets.append(Charge((key, principal.id, tool), right.tokens_per_minute, float(tokens)))
                charges.append(budgets[-1])
        try:
            short = await self._counters.take(slot, charges)
        except CountersUnavailable as problem:
            raise Limited(_uncounted(problem)) from None
        if short is not None:
            raise Limited(_reached(short))
        return Admission(self._counters, slot, tuple(budgets))

    async def admit_structural(self, principal: Principal, tokens: int) -> Admission:
        """Admit a request that holds no place among the calls in flight (a list, a ping). Raises Limited."""
        budget = self._principal_tokens(principal, tokens)
        await self._spend([*self._requests(principal), budget])
        return Admission(self._counters, None, (budget,))

    async def admit_oversized(self, principal: Principal, size: int) -> ReachedLimit | None:
        """The size limit if a request of `size` bytes is over it; reading that was work, so it counts as a request.

        Raises Limited where the principal may send no more requests at all.
        """
        most = self._settings.body_kilobytes
        if size <= most * 1024:
            return None
        await self._spend(self._requests(principal))
        return ReachedLimit("limits.body_kilobytes", most, math.ceil(size / 1024))

    async def fine(self, principal: Principal, tokens: int) -> int:
        """Charge a message that was refused, or is never refused, to its sender's budget as far as that goes.

        Returns the tokens charged. The server's budget never pays for more than these, or one principal's junk would close
        the server to everyone.
        """
        if tokens <= 0:
            return 0
        try:
            return int(await self._counters.drain(self._principal_tokens(principal, tokens)))
        except CountersUnavailable:
            return 0

    async def fine_request(self, principal: Principal) -> None:
        """Count a request that was refused for another reason than a limit, as far as the sender's requests go."""
        try:
            for charge in self._requests(principal):
                await self._counters.drain(charge)
        except CountersUnavailable:
            return

    def check_server(self, remaining: int | None, time: float) -> None:
        """Judge the server's budget by what Kong says is left of it (`time` is in seconds since the epoch). Raises Limited.

        Without a gateway before the guard (a demo identity) the server has no budget.
        """
        if not self._behind_gateway:
            return
        if remaining is None:
            raise Limited(NO_REMAINDER)
        if remaining <= 0:
            most = self._settings.tokens_per_minute
            raise Limited(
                ReachedLimit("limits.tokens_per_minute", most, most - remaining, seconds_to_next_minute(time))
            )

    async def _spend(self, charges: Sequence[Charge]) -> None:
        try:
            short = await self._counters.spend(charges)
        except CountersUnavailable as problem:
            raise Limited(_uncounted(problem)) from None
        if short is not None:
            raise Limited(_reached(short))

    def _requests(self, principal: Principal) -> tuple[Charge, Charge]:
        settings, owner = self._settings, principal.id
        charges = self._request_charges.get(owner)
        if charges is None:
            if len(self._request_charges) >= _MOST_CHARGES:
                self._request_charges.clear()
            # The hour first: where both are used up, it is what the caller has to wait for.
            charges = self._request_charges[owner] = (
                Charge(("limits.requests_per_hour", owner), settings.requests_per_hour, 1.0, 3600),
                Charge(("limits.requests_per_minute", owner), settings.requests_per_minute, 1.0),
            )
        return charges

    def _principal_tokens(self, principal: Principal, tokens: int) -> Charge:
        key = ("limits.principal_tokens_per_minute", principal.id)
        return Charge(key, self._settings.principal_tokens_per_minute, float(tokens))

    def _tool_key(self, tool: str, name: Literal["requests_per_minute", "tokens_per_minute"], most: int) -> str:
        """The key that sets the tool's limit: the server's own where it has this number, else a grant's."""
        rate = self._settings.tools.get(tool)
        if rate is not None and getattr(rate, name) == most:
            return f"limits.tools.{tool}.{name}"
        return f"grants[].limits.{name}"


def _uncounted(problem: CountersUnavailable) -> ReachedLimit:
    return replace(UNCOUNTED, key=problem.key)


def _reached(short: Short) -> ReachedLimit:
    key = f"limits.{CONCURRENCY}" if short.limit == CONCURRENCY else short.limit
    wait = None if short.wait is None else max(1, math.ceil(short.wait))
    return ReachedLimit(key, short.most, math.ceil(short.used), wait)
