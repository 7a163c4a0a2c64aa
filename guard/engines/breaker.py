"""A circuit breaker that fails closed: while it is open nobody is asked, and who is not asked gives no verdict.

It counts how a service behaves, never what it says of a text: otherwise texts made for the purpose could open it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("ringwall.guard.engines")

FAILURES = 5
COOL_OFF = 10.0


class Breaker:
    """Opens after `failures` in a row for `cool_off` seconds, then lets one request through to see.

    `clock` is monotonic, in seconds. Every admitted request ends in exactly one `settle`.
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
        # Requests that began before the breaker opened say nothing about the service after it.
        self._era = 0

    @property
    def is_open(self) -> bool:
        """True from the failure that opened it to the probe that succeeds."""
        return self._until is not None

    def admit(self) -> int | None:
        """A ticket for one request, to be given to `settle`; None while nobody may ask."""
        if self._until is None:
            return self._era
        if self._probing or self._clock() < self._until:
            return None
        self._probing = True
        return self._era

    def settle(self, ticket: int, healthy: bool | None) -> None:
        """How the request went; None when it was given up before the service could show anything."""
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
