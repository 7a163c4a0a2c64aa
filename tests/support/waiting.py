"""Bounded waiting, for tests that watch another process, thread or task; the only place of the suite that polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")
#: Long, for a busy machine: only a test that fails waits this long.
PATIENCE = 120.0
PAUSE = 0.01
#: Seconds that something lives which must be used before it ends and is then seen to end: a busy machine may be too late for
#: the first, so a test goes on to the next until it was in time.
LIFETIMES = (2, 12, 60)
#: Settings of a guard, whose verdicts have five seconds: the first one compiles the rules, which takes longer there.
PATIENT_GUARD = {"deadline": "60s"}


@overload
async def eventually(condition: Callable[[], Awaitable[T | None]], what: str, *, within: float = PATIENCE) -> T: ...
@overload
async def eventually(condition: Callable[[], T | None], what: str, *, within: float = PATIENCE) -> T: ...
async def eventually(condition: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    """Wait until `condition` gives something true, and return it; `what` is what the test waits for.

    Raises:
        AssertionError: it did not within that many seconds; the text holds `what` and the last value.
    """
    value: Any = None
    try:
        async with asyncio.timeout(within):
            while True:
                answer = condition()
                value = await answer if isawaitable(answer) else answer
                if value:
                    return value
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        raise AssertionError(_too_late(what, within, value)) from None


def eventually_sync(condition: Callable[[], T], what: str, *, within: float = PATIENCE) -> T:
    """The same for a test without an event loop."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(_too_late(what, within, value))
        time.sleep(PAUSE)
    return value


def _too_late(what: str, within: float, value: object) -> str:
    return f"not within {within:g} s: {what} (last value: {value!r})"
