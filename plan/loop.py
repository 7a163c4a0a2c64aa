"""The event loop of an offline plan: it asks the plan's monitor at once instead of by a worker thread.

The SDK hands each call of the monitor to a thread, for an engine answers over gRPC. The plan's monitor is a Python object
whose answer takes less than the way to a thread and back (35 calls a server: a seventh of a plan's processor time). What
a program itself gives to a thread goes there.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Final

#: Transforms wait in a worker for the event loop, which may need another worker.
WORKERS: Final = 16


class NeedsThreadError(Exception):
    """The monitor must wait for the program's own event loop, and so must not be asked in it."""


class MonitorCall:
    """A call of the monitor, which runs in the context where the SDK made it wherever it runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._context = contextvars.copy_context()

    def __call__(self, *arguments: Any) -> Any:
        return self._context.run(self._function, *arguments)


class PlanLoop(asyncio.SelectorEventLoop):
    """An event loop that makes calls of the monitor itself, unless the monitor asks for a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: ThreadPoolExecutor | None = None

    def run_in_executor(  # type: ignore[override]  # typeshed's TypeVarTuple cannot be written for a subclass
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        if isinstance(func, MonitorCall):
            answer = self.create_future()
            try:
                answer.set_result(func(*args))
            except NeedsThreadError:
                pass
            except Exception as failure:
                answer.set_exception(failure)
            if answer.done():
                return answer
        if executor is None and self._workers is None:  # most plans need none, and to end one takes a thread as well
            self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="plan")
            self.set_default_executor(self._workers)
        return super().run_in_executor(executor, func, *args)
