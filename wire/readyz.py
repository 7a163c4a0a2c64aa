"""A client for the guard's `/readyz`, which drift, lockdown and doctor share: one size limit, and one test of whether an
answer is a guard's.

Each of them judges the state in the answer itself; the guard writes it in guard/readiness.py.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from model.errors import Unreachable
from wire.http import HttpPolicy, RefusedAnswer, exchange, reason_of

#: Room for the names of a few thousand refused definitions.
MAX_BYTES = 4 * 1024 * 1024
TIMEOUT = httpx.Timeout(5, connect=2)
DEADLINE = 10.0
_LISTS = ("denied", "problems", "refused")


class Silent(Unreachable):
    """The address does not answer."""


class NotAGuard(Unreachable):
    """The address answers, but not as a guard does."""


class ReadyzClient:
    """Asks one guard, as often as needed; a context manager. It uses no proxy, wherever the guard is."""

    def __init__(self, base: str, *, timeout: float | httpx.Timeout = TIMEOUT) -> None:
        self.url = f"{base.rstrip('/')}/readyz"
        self._http = HttpPolicy(None, proxies=False).client(timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def read(self) -> dict[str, Any]:
        """The document, whatever it says: a guard that is not ready answers 503 and still says what is in force.

        Raises:
            Silent: no answer.
            NotAGuard: another answer than a guard's.
        """
        try:
            answer = exchange(self._http, "GET", self.url, limit=MAX_BYTES, deadline=DEADLINE)
            state = answer.json() if answer.status in (200, 503) else None
        except (RefusedAnswer, ValueError):
            state = None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Silent(f"{self.url} does not answer ({reason_of(error)})") from None
        if (
            not isinstance(state, dict)
            or not isinstance(state.get("ready"), bool)
            or not isinstance(state.get("bundle"), dict)
            or not all(isinstance(state.get(name) or [], list) for name in _LISTS)
        ):
            raise NotAGuard(f"{self.url} answers, but not as a guard does")
        return state
