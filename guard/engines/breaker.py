"""A circuit breaker that fails closed: while it is open the service is not asked, so there is no verdict and no ALLOW.

It counts failures of the service, never its verdicts: otherwise an attacker could open it with texts made to be blocked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("ringwall.guard.engines")

FAILURES = 5
COOL_OFF = 10.0


class Breaker:
    """Opens for `cool_off` seconds after `failures` in a row, then lets one request through as a probe.

    `clock` is monotonic, in seconds. The caller ends every admitted request with exactly one `settle`.
    """

    def __init__(
        self, name: str, clock: Callable[[], float], *, failures: int = FAILURES, cool_off: float = COOL_OFF
    ) -> None:
        self._name = name
        self._clock = clock
        self._limit = failures
        self._cool_off = cool_off
        self._failures = 0
        self._until: float | None = None
        self._probing = False
        # Requests that began before the breaker opened or closed are not counted after that.
        self._era = 0

    @property
    def is_open(self) -> bool:
        """True from the failure that opened the breaker until a probe succeeds."""
        return self._until is not None

    def admit(self) -> int | None:
        """A ticket for one request, to be given to `settle`; None while no request may be sent."""
        if self._until is None:
            return self._era
        if self._probing or self._clock() < self._until:
            return None
        self._probing = True
        return self._era

    def settle(self, ticket: int, healthy: bool | None) -> None:
        """Report how the request went; None when it was cancelled before the service could fail or succeed."""
        if ticket != self._era:
            return
        if healthy is None:
            self._probing = False
        elif healthy:
            self._failures = 0
            if self._until is not None:
                log.warning("engine %s answers again", self._name)
                self._until, self._probing = None, False
                self._era += 1
        else:
            self._failures += 1
            if self._probing or self._failures >= self._limit:
                log.warning("engine %s failed %d times in a row and rests", self._name, self._failures)
                self._until, self._probing = self._clock() + self._cool_off, False
                self._era += 1
