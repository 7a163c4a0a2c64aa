"""`CallBudget`: Cloudflare's limit of 1,200 calls in five minutes, which everybody with the same token shares.

A run is begun when the calls that it will make fit beside those of the last five minutes. What others use is learned from
the API's own answers. Where the API refuses all the same, all runs pause until it takes more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.progress import Note

if TYPE_CHECKING:
    from wire.cloudflare_allowance import Allowance

#: "1,200 requests per five minutes" a user or token (Cloudflare docs, "Rate limits").
LIMIT = 1200
WINDOW = 300.0
#: Seconds between two questions about what others have used, each of which is a call itself.
_ASK_EVERY = 60.0
#: The longest that a refusal is waited for, and how long where calls remain all the same.
_LONGEST = 600.0
_SOON = 30.0


def least_seconds(calls: int) -> float:
    """How long so many calls take at the least, as the limit has it."""
    return max(0, calls - 1) // LIMIT * WINDOW


@dataclass
class CallBudget:
    """The calls of the last five minutes; safe for many threads.

    `ask` tells what remains for everybody; None where it cannot be asked.
    """

    note: Note
    ask: Callable[[], Allowance | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    limit: int = LIMIT
    window: float = WINDOW
    _entries: deque[tuple[float, int]] = field(default_factory=deque, repr=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _paused_until: float = field(default=float("-inf"), repr=False)
    _last_question: float = field(default=float("-inf"), repr=False)
    _is_closed: bool = field(default=False, repr=False)

    def admit(self, stack: str, calls: int) -> bool:
        """Wait until so many calls fit, and take them; False where the budget was closed meanwhile.

        A run that needs more than the whole limit begins when nothing else has been taken.
        """
        if not calls:
            return not self._is_closed
        self._learn()
        is_told = False
        with self._changed:
            while not self._is_closed:
                wait = self._seconds_until(calls)
                if wait <= 0:
                    self._entries.append((self.clock(), calls))
                    return True
                if not is_told and self._paused_until <= self.clock():
                    self.note(
                        f"{stack} needs {calls} calls of Cloudflare's API, which takes {self.limit:,} in 5 minutes from "
                        f"all who use its token: it begins in {wait:.0f} s"
                    )
                is_told = True
                self._changed.wait(wait)
        return False

    def pause(self, stack: str) -> bool:
        """Wait after the API refused further calls, as long as it says; False where the budget was closed meanwhile."""
        allowance = self.ask()
        wait = self.window if allowance is None else allowance.seconds
        if allowance is not None and allowance.remaining:
            wait = min(wait, _SOON)  # another, narrower limit refused
        with self._changed:
            moment = self.clock()
            until = moment + min(wait, _LONGEST)
            if until > self._paused_until:
                self._paused_until = until
                self.note(
                    f"{stack}: Cloudflare's API takes no more calls at present (429); waiting {until - moment:.0f} s, "
                    "then it goes on"
                )
            while not self._is_closed and (wait := self._paused_until - self.clock()) > 0:
                self._changed.wait(wait)
            return not self._is_closed

    def close(self) -> None:
        """Let nobody in any more, and those who wait go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _seconds_until(self, calls: int) -> float:
        moment = self.clock()
        while self._entries and self._entries[0][0] <= moment - self.window:
            self._entries.popleft()
        wait = self._paused_until - moment
        excess = sum(number for _, number in self._entries) + calls - self.limit
        for start, number in self._entries:
            if excess <= 0:
                break
            wait = max(wait, start + self.window - moment)
            excess -= number
        return wait

    def _learn(self) -> None:
        """Take what others have used, as the API's answer shows it, for calls of our own until its window ends."""
        with self._changed:
            moment = self.clock()
            if moment - self._last_question < _ASK_EVERY:
                return
            self._last_question = moment
        allowance = self.ask()
        if allowance is None:
            return
        with self._changed:
            moment = self.clock()
            self._seconds_until(0)
            foreign = self.limit - allowance.remaining - sum(number for _, number in self._entries)
            if foreign > 0:
                self._entries.append((moment - self.window + min(allowance.seconds, self.window), foreign))
                self._entries = deque(sorted(self._entries))
