"""A cancellation that was taken for an answer on its way.

Python 3.11's `asyncio.wait_for`, by which Redis's client writes, returns as if nothing had happened where what it waited for
ended at the moment of the cancellation (https://github.com/python/cpython/issues/86296). A call that a denial, a lockdown or
the end of its connection ended would go on to the server.
"""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """Raise CancelledError where the running task was cancelled and has not ended; call it before what cannot be undone."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError("ended before it was sent")
