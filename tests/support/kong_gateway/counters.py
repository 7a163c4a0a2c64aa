"""Counters of one node by calendar period, as the `local` policies keep them in shared memory."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

#: kong/plugins/rate-limiting/expiration.lua
EXPIRATION = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 2592000, "year": 31536000}


def starts(now: int) -> dict[str, int]:
    """When each period that holds `now` began (kong/tools/timestamp.lua): calendar periods of UTC, not sliding ones."""
    moment = datetime.fromtimestamp(now, UTC)
    day = moment.replace(hour=0, minute=0, second=0)
    return {
        "second": now,
        "minute": now - now % 60,
        "hour": now - now % 3600,
        "day": int(day.timestamp()),
        "month": int(day.replace(day=1).timestamp()),
        "year": int(day.replace(month=1, day=1).timestamp()),
    }


class Counters:
    """Safe for several requests at once."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...]) -> float:
        with self._lock:
            return self._values.get(key, 0.0)

    def counted(self) -> list[tuple[str, ...]]:
        """What is counted, each with whose it is."""
        with self._lock:
            return list(self._values)

    def add(self, key: tuple[str, ...], value: float) -> None:
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + value
