"""The counters of `guard.decide.counters` kept in Redis, for several replicas of one guard.

Each operation is one Lua script, so that it takes effect as a whole or not at all. It uses Redis's own clock, so that
the replicas agree on the time. If Redis does not answer in time the call is refused, as it cannot be counted.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from guard.decide.counters import Charge, CountersUnavailable, Short, Slot, full, overdrawn, short_of

TIMEOUT = 0.5
#: A slot whose guard died is free again after this; each charge of a living call renews it.
LEASE = 900
MAX_DEBTS = 65_536
#: The most slots of one principal that are remembered to be given back; further ones end with their lease.
MAX_RETURNED = 1000

# KEYS: slots, budget... ARGV: mode, most, ticket, lease, returned ticket count, returned tickets...,
# (most, seconds, amount, debt)...
# Modes: take (slot and charges, or nothing), spend (charges, or nothing), drain (as much of one charge as the budget holds),
# charge (charges, below zero too; renews the slot).
# Answers {index, level in thousandths, drained in thousandths}. The index is -1 if no slot is left, n > 0 if budget n is
# short (charge: at or below zero), 0 if the charges were taken. The level is that budget's, else the lowest of all.
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local mode, most, ticket, lease = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local at = 5
for _ = 1, tonumber(ARGV[at]) do at = at + 1; redis.call('ZREM', KEYS[1], ARGV[at]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local levels, rates, short, lowest = {}, {}, 0, nil
for i = 2, #KEYS do
  local full, rate = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 1]) / tonumber(ARGV[at + 2])
  local amount, debt = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  at = at + 4
  local kept = redis.call('HMGET', KEYS[i], 'level', 'since')
  local level = full
  if kept[1] then
    level = math.min(full, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * rate)
  end
  level = level - debt
  if short == 0 and mode == 'charge' and level - amount <= 0 then short = i - 1; lowest = level - amount end
  if short == 0 and mode ~= 'charge' and level < amount then short = i - 1; lowest = level end
  levels[i], rates[i] = {level, amount, full}, rate
end
local taken, drained = mode == 'charge' or mode == 'drain', 0
if mode == 'take' and redis.call('ZCARD', KEYS[1]) >= most then short = -1 end
if mode == 'take' or mode == 'spend' then taken = short == 0 end
if mode == 'drain' then
  drained = math.min(levels[2][2], math.max(0, levels[2][1]))
  levels[2][2] = drained
end
for i = 2, #KEYS do
  local level = levels[i][1]
  if taken then level = level - levels[i][2] end
  if short == 0 and taken and (lowest == nil or level < lowest) then lowest = level end
  redis.call('HSET', KEYS[i], 'level', string.format('%.6f', level), 'since', string.format('%.6f', now))
  redis.call('EXPIRE', KEYS[i], math.ceil((levels[i][3] - level) / rates[i]) + 60)
end
if taken and (mode == 'take' or mode == 'charge' and redis.call('ZSCORE', KEYS[1], ticket)) then
  redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease), ticket)
  redis.call('EXPIRE', KEYS[1], lease)
end
if mode == 'drain' then short = 0 end
return {short, math.floor((lowest or 0) * 1000), math.floor(drained * 1000)}
"""


class RedisCounters:
    """Counters in the Redis at `url`. `server` (``dev.tickets``) keeps apart servers that share a Redis.

    Keys hold hashes of principals, never their names. One object serves one event loop.
    """

    def __init__(self, url: str, password: str | None, server: str, *, timeout: float = TIMEOUT) -> None:
        self._redis = Redis.from_url(
            url,
            password=password,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(_SCRIPT)
        # In braces: one server's keys share a slot of a Redis cluster.
        self._prefix = f"ringwall:{{{server}}}"
        self._debts: OrderedDict[str, float] = OrderedDict()
        self._returned: OrderedDict[str, list[str]] = OrderedDict()

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        if len(self._debts) >= MAX_DEBTS or len(self._returned) >= MAX_DEBTS:
            raise CountersUnavailable("too much is still to be counted")
        index, level, _ = await self._run("take", slot, charges)
        if index == 0:
            return None
        if index < 0:
            return full(slot)
        return short_of(charges[index - 1], level)

    async def spend(self, charges: Sequence[Charge]) -> Short | None:
        index, level, _ = await self._run("spend", _no_slot(charges[0]), charges)
        return short_of(charges[index - 1], level) if index else None

    async def drain(self, charge: Charge) -> float:
        _, _, drained = await self._run("drain", _no_slot(charge), [charge])
        return drained

    async def charge(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        try:
            index, level, _ = await self._run("charge", slot, charges)
        except CountersUnavailable:
            # The result exists already, so its cost is owed: the next count that succeeds takes it.
            for charge in charges:
                key = self._key(*charge.key)
                self._debts[key] = self._debts.get(key, 0.0) + charge.amount
            raise
        return overdrawn(charges[index - 1], level) if index else None

    async def release(self, slot: Slot, charges: Sequence[Charge] = ()) -> None:
        key = self._key("slots", slot.owner)
        if charges:
            # The script gives back what waits for it, and keeps it where Redis does not answer.
            self._returned.setdefault(key, []).append(slot.ticket)
            with contextlib.suppress(CountersUnavailable):
                await self.charge(slot, charges)
            return
        try:
            await self._redis.zrem(key, slot.ticket)
        except (RedisError, OSError, TimeoutError):
            self._returned.setdefault(key, []).append(slot.ticket)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, mode: str, slot: Slot, charges: Sequence[Charge]) -> tuple[int, float, float]:
        keys = [self._key("slots", slot.owner), *(self._key(*charge.key) for charge in charges)]
        tickets = self._returned.pop(keys[0], [])
        debts = {key: self._debts.pop(key, 0.0) for key in keys[1:]}
        arguments: list[Any] = [mode, slot.most, slot.ticket, LEASE, len(tickets), *tickets]
        for charge, key in zip(charges, keys[1:], strict=True):
            arguments += [charge.most, charge.seconds, charge.amount, debts[key]]
        try:
            answer = await cast("Awaitable[list[int]]", self._script(keys=keys, args=arguments))
        except (RedisError, OSError, TimeoutError) as error:
            if mode == "take":
                # The script may have run all the same. Nobody will use its slot, so it is given back later.
                tickets = [*tickets, slot.ticket]
            if tickets:
                self._returned[keys[0]] = [*tickets, *self._returned.get(keys[0], [])][-MAX_RETURNED:]
            for key, debt in debts.items():
                if debt:
                    self._debts[key] = self._debts.get(key, 0.0) + debt
            raise CountersUnavailable(f"Redis does not answer ({type(error).__name__})") from None
        return int(answer[0]), int(answer[1]) / 1000, int(answer[2]) / 1000

    def _key(self, kind: str, *whose: str) -> str:
        hashed = hashlib.sha256("\x00".join(whose).encode()).hexdigest()
        return f"{self._prefix}:{kind}:{hashed}"


def _no_slot(charge: Charge) -> Slot:
    """A slot for the modes that take none: the script needs the key of one."""
    return Slot(charge.key[-1], "", 0)
