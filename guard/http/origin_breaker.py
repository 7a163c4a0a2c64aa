"""The circuit breaker between the guard and its MCP server: while the server is down, requests are refused at once.

Kong's breaker counts only failures of the guard itself, so the server's are counted here. One caller must not be able to
open the breaker for everybody. Therefore of failures that a request can provoke (an HTTP 5xx, a connection cut, silence)
at most `MAX_PER_PRINCIPAL` count for one principal, which is fewer than open the breaker. No caller can make a server
unreachable, so a failed connection counts for whichever principal it happens. An answer that cannot be passed on is none
of them: the server is up (`guard.http.upstream.Slip`).

The breaker closes when a probe of the guard's own reaches the server. No caller's request serves as the trial, as it
might write something.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable

log = logging.getLogger("ringwall.guard.origin")

#: Failures in a row, without a good answer between them, that open the breaker.
FAILURES = 5
#: The most failures that one principal can provoke of those.
MAX_PER_PRINCIPAL = 3
#: Seconds from the opening to the first probe. Each pause after it is twice as long as the one before, up to LONGEST_PAUSE.
FIRST_PROBE = 2.0
LONGEST_PAUSE = 30.0


class OriginBreaker:
    """Counts the server's failures. `clock` is monotonic; `reached` probes the server and returns whether it answered."""

    def __init__(
        self, clock: Callable[[], float], reached: Callable[[], Awaitable[bool]], *, first_probe: float = FIRST_PROBE
    ) -> None:
        self._clock = clock
        self._reached = reached
        self._first_probe = first_probe
        self._unreached = 0
        self._provoked: Counter[str] = Counter()
        self._probing: asyncio.Task[None] | None = None
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """True from the failure that opened the breaker to the probe that reached the server."""
        return self._probing is not None

    def retry_after(self) -> int | None:
        """None while requests may be sent, else the seconds after which a client should try again."""
        return None if self._probing is None else max(1, math.ceil(self._next_probe - self._clock()) + 1)

    def succeeded(self) -> None:
        """Note that the server gave a valid answer. Earlier failures no longer count, as only failures in a row do."""
        self._unreached = 0
        self._provoked.clear()

    def failed(self, principal: str, *, reached: bool) -> None:
        """Note that the server failed on a request of `principal`. Without `reached` no connection could be made."""
        if self._probing is not None:
            return
        if reached:
            self._provoked[principal] = min(self._provoked[principal] + 1, MAX_PER_PRINCIPAL)
        else:
            self._unreached += 1
        if self._unreached + self._provoked.total() >= FAILURES:
            log.warning("the server failed %d times in a row; requests are refused until it answers a probe", FAILURES)
            self._next_probe = self._clock() + self._first_probe
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    def forget(self) -> None:
        """Forget every failure, as another server is in force."""
        self.succeeded()
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None

    async def _probe(self) -> None:
        pause = self._first_probe
        while True:
            self._next_probe = self._clock() + pause
            await asyncio.sleep(pause)
            if await self._well():
                break
            pause = min(pause * 2, LONGEST_PAUSE)
        self._probing = None
        self.succeeded()
        log.warning("the server answers again")

    async def _well(self) -> bool:
        try:
            return await self._reached()
        except Exception:
            # A probe that fails by a defect of the guard must not be the last one.
            log.exception("the probe of the server failed")
            return False

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probing
