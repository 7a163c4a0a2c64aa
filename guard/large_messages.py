"""Takes the steps of a large message's judgement on threads beside the event loop, so that small messages wait for none.

To read a message of some megabytes, and to take it apart for the engines, takes a second. On the event loop nobody else
would be served meanwhile, and where many came at once, for ten. For a small message there is one comparison.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes of memory (`guard.memory.weight`) of a message whose steps are taken at once, in some milliseconds; and of one that
#: does not stand in line behind those that are larger.
AT_ONCE = 1 << 20
_MIDDLING = 16 << 20
#: One thread each: more would only take turns, and each would hold what its step needs besides.
_MIDDLING_THREAD = ThreadPoolExecutor(1, "ringwall-middling")
_LARGE_THREAD = ThreadPoolExecutor(1, "ringwall-large")


async def take_step(memory: int, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `step` gives, which works on a message that takes so many bytes of memory; raises what it raises.

    The step must need nothing but its arguments. Where the request ends meanwhile, a step that has begun goes on to its end.
    """
    if memory <= AT_ONCE:
        return step(*args, **kwargs)
    thread = _MIDDLING_THREAD if memory <= _MIDDLING else _LARGE_THREAD
    return await asyncio.wrap_future(thread.submit(step, *args, **kwargs))
