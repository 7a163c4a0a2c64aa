"""Coroutines that wait until their record is on disk, and how the log's thread wakes them.

What reaches the disk, and when, is the log's matter (`guard.audit.log`).
"""

from __future__ import annotations

import asyncio
import contextlib

from guard.audit.files import AuditUnwritable

#: Number of the record, and the future that waits for it in an event loop.
Waiter = tuple[int, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def wake(waiters: list[Waiter], error: AuditUnwritable | None) -> None:
    """Let them go on, or raise `error` where they wait. Called from any thread: one call for each event loop."""
    futures_by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, loop, future in waiters:
        futures_by_loop.setdefault(loop, []).append(future)
    for loop, futures in futures_by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits there any more
            loop.call_soon_threadsafe(_settle, futures, error)


def _settle(futures: list[asyncio.Future[None]], error: AuditUnwritable | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(AuditUnwritable(str(error)))
