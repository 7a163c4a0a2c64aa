"""How much of a stream that says nothing is passed on: progress, and events without data.

A server that reports progress tens of thousands of times a second keeps the guard, the way and the client busy while others
wait. What is over the rate is left out of the stream, and the result comes all the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

#: A second, and at once: a person sees no more, and a loop of a few hundred steps passes whole.
PROGRESS = (50.0, 200.0)
#: Comments keep a connection open, for which one every few seconds is enough; ids without data come one a message at most.
EMPTY = (5.0, 50.0)


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

    _progress: TokenBucket | None = None
    _empty: TokenBucket | None = None

    def admits_progress(self) -> bool:
        self._progress = self._progress or TokenBucket(*PROGRESS)
        return self._progress.take(time.monotonic())

    def admits_empty(self) -> bool:
        self._empty = self._empty or TokenBucket(*EMPTY)
        return self._empty.take(time.monotonic())
