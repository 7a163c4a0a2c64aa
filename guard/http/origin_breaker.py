"""The circuit breaker between the guard and its MCP server: while the server is down nobody waits for it.

Kong's breaker counts the guard's own failures alone, so the server's are counted here. One caller must not be able to open
it for everybody: of failures that a request can provoke (an HTTP 5xx, an answer that is none, a connection cut, silence) at
most `MOST_OF_ONE` count for one principal, fewer than open it. A server that cannot be reached at all is nobody's doing,
and counts whoever met it.

A look at the server by the guard itself closes it again: no caller's request is the trial, which might be a write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable

log = logging.getLogger("ringwall.guard.origin")

#: Failures in a row, no good answer between them, that open it.
FAILURES = 5
#: How many of them may be one principal's.
MOST_OF_ONE = 3
#: Seconds from its opening to the first look, and between looks; each takes twice as long as the one before, up to LONGEST.
FIRST_LOOK = 2.0
LONGEST = 30.0


class OriginBreaker:
    """Counts how the server behaves. `clock` is monotonic; `reached` looks at the server and says whether it answered."""

    def __init__(
        self, clock: Callable[[], float], reached: Callable[[], Awaitable[bool]], *, first_look: float = FIRST_LOOK
    ) -> None:
        self._clock = clock
        self._reached = reached
        self._first_look = first_look
        self._unreached = 0
        self._provoked: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._next_look = 0.0

    @property
    def is_open(self) -> bool:
        """True from the failure that opened it to the look that found the server well."""
        return self._looking is not None

    def retry_after(self) -> int | None:
        """None while requests may be sent; else the seconds after which coming again makes sense."""
        return None if self._looking is None else max(1, math.ceil(self._next_look - self._clock()) + 1)

    def succeeded(self) -> None:
        """The server answered as it should, whatever it said: only failures in a row count."""
        self._unreached = 0
        self._provoked.clear()

    def failed(self, principal: str, *, reached: bool) -> None:
        """The server failed on a request of `principal`. `reached` False: not even a connection could be made."""
        if self._looking is not None:
            return
        if reached:
            self._provoked[principal] = min(self._provoked[principal] + 1, MOST_OF_ONE)
        else:
            self._unreached += 1
        if self._unreached + self._provoked.total() >= FAILURES:
            log.warning("the server failed %d times in a row: it is not asked until it answers a look", FAILURES)
            self._next_look = self._clock() + self._first_look
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def forget(self) -> None:
        """Another server is in force: nothing is known of it."""
        self.succeeded()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        pause = self._first_look
        while True:
            self._next_look = self._clock() + pause
            await asyncio.sleep(pause)
            if await self._well():
                break
            pause = min(pause * 2, LONGEST)
        self._looking = None
        self.succeeded()
        log.warning("the server answers again")

    async def _well(self) -> bool:
        try:
            return await self._reached()
        except Exception:
            # A look that ends in a defect must not be the last one.
            log.exception("the server could not be looked at")
            return False

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
