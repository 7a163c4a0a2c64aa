"""The names of the tools that change something, which the guards of one environment tell one another through Redis.

A text that orders a call is known by the tool's name, and the tool may be another server's. Guards in processes of their own
learn those names here: each writes its own every `REFRESH_SECONDS` and reads the others'. What is written ends with its
lease, and stands for one bundle: while replicas run under two, the names of both count.

A guard that could not read for `FRESH_SECONDS` does not know what an order looks like, so no text passes then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from guard.decide.taint import MarksUnavailable

log = logging.getLogger("ringwall.guard")

REFRESH_SECONDS = 2.0
FRESH_SECONDS = 10.0
#: Seconds that names count after they were last written or read: longer than a Redis takes to begin again, empty.
LEASE_SECONDS = 60
#: Bytes of all names of an environment, beyond which no guard takes them: every text is searched for each.
MOST_BYTES = 512 * 1024

# KEYS: the names. ARGV: the lease, the most bytes, the digest that is known, this guard's own names if it has any.
# A sorted set by the time at which each entry ends. Answers {digest}, with the entries where the digest is another one, or
# {"", bytes} where they are too many.
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local lease = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[4] then redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease), ARGV[4]) end
redis.call('EXPIRE', KEYS[1], lease)
local entries, bytes = redis.call('ZRANGE', KEYS[1], 0, -1), 0
for _, entry in ipairs(entries) do bytes = bytes + #entry end
if bytes > tonumber(ARGV[2]) then return {'', bytes} end
table.sort(entries)
local digest = redis.sha1hex(table.concat(entries, '\\n'))
if digest == ARGV[3] then return {digest} end
return {digest, entries}
"""


class RedisTools:
    """The names that the guards of `environment` have, by way of `redis`, which its owner closes.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        redis: Redis,
        environment: str,
        server: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        refresh: float = REFRESH_SECONDS,
    ) -> None:
        self._script = redis.register_script(_SCRIPT)
        # The number is that of the entries' form.
        self._key = f"ringwall:{{{environment}}}:tools:1"
        self._server = server
        self._clock = clock
        self._refresh = refresh
        self._own = ""
        self._digest = ""
        self._current: tuple[str, ...] = ()
        #: Until when each entry counts that was read.
        self._until: dict[str, float] = {}
        self._names: frozenset[str] = frozenset()
        self._read = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def announce(self, bundle: str, names: frozenset[str]) -> None:
        """Tell the others the names under this bundle at once, if Redis answers, and again and again until `close`."""
        self._own = json.dumps([self._server, bundle, sorted(names)], ensure_ascii=False) if names else ""
        await self._exchange()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    def names(self) -> frozenset[str]:
        """The names of all the servers; the same object until they change."""
        return self._names

    def require(self) -> None:
        """Raises MarksUnavailable where the names that are known may be old."""
        if self._clock() - self._read > FRESH_SECONDS:
            raise MarksUnavailable("nobody knows what the other servers' tools are called, as Redis does not answer")

    async def close(self) -> None:
        """Tell the others nothing more; what they were told ends with its lease."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        # Redis's client writes by `asyncio.wait_for`. Where a write ends as the task is cancelled, Python 3.11 may return
        # as if it had not been (https://github.com/python/cpython/issues/86296), and the exchange goes on.
        while not self._closed:
            await asyncio.sleep(self._refresh)
            await self._exchange()

    async def _exchange(self) -> None:
        arguments: list[Any] = [LEASE_SECONDS, MOST_BYTES, self._digest, *([self._own] if self._own else [])]
        try:
            answer = await cast("Any", self._script(keys=[self._key], args=arguments))
            self._take(answer)
        except (RedisError, OSError, TimeoutError, ValueError, TypeError) as error:
            log.warning("the tools of the environment's other servers cannot be asked for (%s)", type(error).__name__)

    def _take(self, answer: list[Any]) -> None:
        digest = answer[0].decode()
        if not digest:
            log.error("the names of the environment's tools take %d bytes, %d at most", answer[1], MOST_BYTES)
            return
        moment = self._clock()
        current = tuple(entry.decode() for entry in answer[1]) if len(answer) > 1 else self._current
        until = {entry: end for entry, end in self._until.items() if end > moment}
        until.update(dict.fromkeys(current, moment + LEASE_SECONDS))
        if until.keys() != self._until.keys():
            self._names = _names(until)
        self._until, self._current, self._digest, self._read = until, current, digest, moment


def _names(entries: Iterable[str]) -> frozenset[str]:
    """The tools of all entries; raises ValueError for one of another form."""
    names: set[str] = set()
    for entry in entries:
        _, _, tools = json.loads(entry)
        names.update(map(str, tools))
    return frozenset(names)
