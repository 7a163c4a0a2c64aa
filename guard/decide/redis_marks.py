"""The marks of `guard.decide.taint` in Redis, for the guards of one environment that run as processes of their own.

Each guard writes its marks there before the text that made them goes on, and looks there before a call that could send data
out. If Redis does not answer in time neither the text nor the call passes: nobody knows who is tainted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from guard.decide.redis_tools import RedisTools
from guard.decide.taint import MarksUnavailable, TaintMark

TIMEOUT = 0.5


class RedisMarks:
    """Marks in the Redis at `url` that count at every guard of `environment` there; `server` is this guard's.

    Keys hold hashes of principals, never their names. One object serves one event loop.
    """

    def __init__(
        self, url: str, password: str | None, environment: str, server: str, *, timeout: float = TIMEOUT
    ) -> None:
        self._redis = Redis.from_url(
            url, password=password, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
        self._server = server
        self.tools = RedisTools(self._redis, environment, server)
        # In braces: both keys of a principal share a slot of a Redis cluster.
        self._prefix = f"ringwall:{{{environment}}}:taint"
        self._under_way: set[asyncio.Task[Any]] = set()

    def publish(self, principal_id: str, incident: str, window: float, *, suspected: bool) -> None:
        """Begin to write a mark that holds for `window` seconds; a later one of its kind takes its place."""
        writing = asyncio.get_running_loop().create_task(
            self._write(self._key(principal_id, suspected), [incident, self._server], window)
        )
        self._under_way.add(writing)
        writing.add_done_callback(self._end)

    async def agree(self) -> None:
        """Return once every mark is written. Raises MarksUnavailable."""
        if self._under_way:
            try:
                await asyncio.shield(asyncio.gather(*self._under_way))
            except (RedisError, OSError, TimeoutError) as error:
                raise MarksUnavailable(f"Redis does not answer ({type(error).__name__})") from None

    async def tainted(self, principal_id: str, *, suspected: bool = False) -> TaintMark | None:
        """The taint that a guard of the environment put a principal under, or None. Raises MarksUnavailable."""
        keys = [self._key(principal_id, kind) for kind in ((False, True) if suspected else (False,))]
        try:
            values = await self._redis.mget(keys)
        except (RedisError, OSError, TimeoutError) as error:
            raise MarksUnavailable(f"Redis does not answer ({type(error).__name__})") from None
        for value in values:
            if value is not None:
                incident, server = json.loads(value)
                return TaintMark(incident, math.inf, server if server != self._server else "")
        return None

    async def close(self) -> None:
        """End the connection; marks that are not written yet are lost, as their texts went nowhere."""
        for writing in self._under_way:
            writing.cancel()
        await self.tools.close()
        await self._redis.aclose()

    async def _write(self, key: str, mark: list[str], window: float) -> None:
        await self._redis.set(key, json.dumps(mark), px=max(1, round(window * 1000)))

    def _end(self, writing: asyncio.Task[Any]) -> None:
        self._under_way.discard(writing)
        if not writing.cancelled():
            writing.exception()  # whoever waits is told of it; nobody else need be

    def _key(self, principal_id: str, suspected: bool) -> str:
        hashed = hashlib.sha256(principal_id.encode()).hexdigest()
        return f"{self._prefix}:{'suspicion' if suspected else 'attack'}:{hashed}"
