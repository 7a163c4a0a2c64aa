"""A call that was ended goes to no server, whatever took its cancellation for an answer on the way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from guard.decide.counters import Charge, MemoryCounters, Short, Slot
from guard.decide.limits import Limiter
from tests.support.guard_messages import call
from tests.support.guard_service import Origin, guarded


class LateCounters(MemoryCounters):
    """Counts at the moment at which the call is cancelled, as Redis's client may on Python 3.11."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.asked = asyncio.Event()

    async def take(self, slot: Slot, charges: Sequence[Charge]) -> Short | None:
        self.asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await super().take(slot, charges)


async def test_call_that_was_ended_as_it_was_counted_is_not_sent(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        runtime, counters = guard.service.runtime, LateCounters()
        runtime.policy.limits = Limiter(guard.config.limits, counters)
        calling = asyncio.ensure_future(guard.post(call(1)))
        await counters.asked.wait()
        assert runtime.end_work() == 1
        assert (await calling).status_code == 403
        assert guard.origin.calls == []
