"""How far Kong's request limits stand above the guard's, which are the ones a caller meets.

Kong answers a limit with HTTP 429 or 413, and it cannot do better: the answer would need the request's JSON-RPC id, which
is in a body that Kong streams on unread. Over such a status the official SDK's 1.x loses its whole session. So the guard
refuses at the stack file's numbers, inside the protocol, and Kong at a multiple, where only a flood arrives.
"""

from __future__ import annotations

from typing import Final

from model.stacks import PerimeterStack

#: A client that tries again at once after each refusal stays below; one that does nothing else is cut off by Kong.
TIMES: Final = 4
#: A number of requests above which Kong's limit would be none (`plan.rules.limits`); Kong then stands at the guard's own.
MAX_REQUESTS_PER_MINUTE: Final = 100_000
#: The largest request that the model lets a stack file allow.
MAX_KILOBYTES: Final = 65_536


def refused_requests(server: PerimeterStack, limit: int, *, periods: int = 1) -> int:
    """At how many requests in so many minutes Kong refuses: where there is no guard, at the file's own number."""
    return limit if server.manifest.guard is None else flood_requests(limit, periods=periods)


def refused_kilobytes(server: PerimeterStack) -> int:
    """At what size Kong refuses a request: where there is no guard, at the file's own number."""
    limit = server.manifest.limits.body_kilobytes
    return limit if server.manifest.guard is None else flood_kilobytes(limit)


def flood_requests(limit: int, *, periods: int = 1) -> int:
    """Kong's limit where the guard's is `limit` requests in so many minutes."""
    return max(limit, min(limit * TIMES, MAX_REQUESTS_PER_MINUTE * periods))


def flood_kilobytes(limit: int) -> int:
    """The size at which Kong refuses a request, and the guard reads no further, where the guard's limit is `limit`."""
    return min(limit * TIMES, MAX_KILOBYTES)
