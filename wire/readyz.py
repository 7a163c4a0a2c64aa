"""The guard's `/readyz` as drift, lockdown and doctor read it: one limit, and one rule of what a guard's answer is.

What the answer says is judged by each of them; the guard writes it in guard/readiness.py.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from model.errors import Unreachable
from wire.http import HttpPolicy, RefusedAnswer, exchange, reason_of

#: The names of a few thousand refused definitions.
MAX_BYTES = 4 * 1024 * 1024
TIMEOUT = httpx.Timeout(5, connect=2)
DEADLINE = 10.0
_LISTS = ("denied", "problems", "refused")


class Silent(Unreachable):
    """Nobody answers at that address."""


class NotAGuard(Unreachable):
    """What answers is no guard."""


class ReadyzClient:
    """Asks one guard as often as is wanted; a context manager. No proxy stands between, wherever the guard is."""

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
            raise NotAGuard(f"{self.url} is not a guard's")
        return state
