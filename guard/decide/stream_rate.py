"""How much of a stream is passed on: messages of each kind, and events without data.

A server that reports progress tens of thousands of times a second, or says so often that its lists changed, keeps the guard,
the way and the client busy while others wait. What is over a rate is left out of the stream, and the result comes all the
same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum


class Traffic(StrEnum):
    """What is counted together; the word stands in the metrics."""

    PROGRESS = "progress"
    EMPTY = "empty"
    LISTS = "list_changed"
    NOTIFICATION = "notification"
    REQUEST = "request"
    REFUSAL = "refusal"


#: A second, and at once: a person sees no more, and a loop of a few hundred steps passes whole.
PROGRESS = (50.0, 200.0)
#: Comments keep a connection open, for which one every few seconds is enough; ids without data come one a message at most.
EMPTY = (5.0, 50.0)
#: A client reads a whole list again for each of them.
LISTS = (2.0, 20.0)
#: Log lines for the most part. A program that writes a long log at once has a thousand lines of it passed on.
NOTIFICATION = (100.0, 1000.0)
#: What a server asks, a person or a model has to answer.
REQUEST = (10.0, 100.0)
RATES: dict[Traffic, tuple[float, float]] = {
    Traffic.PROGRESS: PROGRESS,
    Traffic.EMPTY: EMPTY,
    Traffic.LISTS: LISTS,
    Traffic.NOTIFICATION: NOTIFICATION,
    Traffic.REQUEST: REQUEST,
    # What a server is told of requests over that rate.
    Traffic.REFUSAL: REQUEST,
}


@dataclass(slots=True)
class TokenBucket:
    """Admits `rate` events a second on average and `burst` at once."""

    rate: float
    burst: float
    _tokens: float = -1.0
    _filled: float = 0.0

    def take(self, clock: float) -> bool:
        """Whether one more event may pass; `clock` is monotonic, in seconds."""
        tokens = self.burst if self._tokens < 0 else self._tokens + (clock - self._filled) * self.rate
        tokens, self._filled = min(tokens, self.burst), clock
        admitted = tokens >= 1.0
        self._tokens = tokens - 1.0 if admitted else tokens
        return admitted


@dataclass(slots=True)
class StreamRate:
    """The rates of one stream, each made when it is first asked: most answers are no streams."""

    _buckets: dict[Traffic, TokenBucket] = field(default_factory=dict)

    def admits(self, traffic: Traffic) -> bool:
        """Whether one more of these may pass."""
        if (bucket := self._buckets.get(traffic)) is None:
            bucket = self._buckets[traffic] = TokenBucket(*RATES[traffic])
        return bucket.take(time.monotonic())
