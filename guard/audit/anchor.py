"""Sends signed heads off the host: root on this host can rewrite and re-sign the chain, but not heads that have left.

This is the queue and the retries; the protocols are in `guard.audit.wires`. A collector that cannot be reached does not
close the guard. The log on disk is complete without it, and a guard that closed whenever a third party's endpoint failed
would hand that third party, or whoever can cut the line to it, a switch for everything behind the guard. The failure is
reported instead: lag, failures and the last error are in `state`, for /readyz and /metrics, and the operator sets an
alert on the lag. A head covers everything before it, so the next head that arrives makes up for those that did not.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass

from guard.audit.chain import SignedHead
from guard.audit.wires import CollectorWire, HttpWire, NotAccepted, OtlpWire
from model.defaults import Anchor
from model.errors import InputError

#: How many heads and records wait at most; beyond that the oldest is dropped and counted.
MAX_HEADS = 256
MAX_RECORDS = 10_000
_BATCH = 500
_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class AnchorState:
    """How sending goes. `anchored` is the number of the last record that an accepted head covers (0: none since the
    start). `failures` counts failed attempts; `error` is the reason of the last one, None after a success. `dropped_*`
    count what did not fit into the queue."""

    anchored: int = 0
    failures: int = 0
    error: str | None = None
    waiting: int = 0
    dropped_heads: int = 0
    dropped_records: int = 0


class AnchorSender:
    """A thread that sends heads and records in order, and tries again after growing pauses. Adding to it never blocks."""

    def __init__(self, wire: CollectorWire, *, records: bool = False, first_pause: float = _FIRST_PAUSE) -> None:
        self.records = records
        self._wire = wire
        self._first_pause = first_pause
        self._heads: deque[SignedHead] = deque()
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._stop = False
        self._abort = False
        self._anchored = self._failures = self._dropped_heads = self._dropped_records = 0
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="audit-anchor", daemon=True)
        self._thread.start()

    @classmethod
    def from_settings(cls, settings: Anchor, *, token: str | None = None, ca_file: str | None = None) -> AnchorSender:
        """The sender for these settings; `ca_file` (PEM) is trusted instead of the system's certificates."""
        wire: CollectorWire
        if settings.records and settings.protocol != "otlp":
            raise InputError("records needs protocol: otlp", key="audit_anchor", remedy="set it, or leave records out")
        if settings.protocol == "otlp":
            wire = OtlpWire(settings.url, token, ca_file, timeout=_TIMEOUT)
        else:
            wire = HttpWire(settings.url, token, ca_file, timeout=_TIMEOUT)
        return cls(wire, records=settings.records)

    @property
    def state(self) -> AnchorState:
        with self._changed:
            return AnchorState(
                anchored=self._anchored,
                failures=self._failures,
                error=self._error,
                waiting=len(self._heads) + len(self._lines),
                dropped_heads=self._dropped_heads,
                dropped_records=self._dropped_records,
            )

    def head(self, head: SignedHead) -> None:
        """Send a head."""
        with self._changed:
            if len(self._heads) >= MAX_HEADS:
                self._heads.popleft()
                self._dropped_heads += 1
            self._heads.append(head)
            self._changed.notify()

    def record(self, line: bytes) -> None:
        """Send a record as well; only where `records` is set."""
        with self._changed:
            if len(self._lines) >= MAX_RECORDS:
                self._lines.popleft()
                self._dropped_records += 1
            self._lines.append(line)
            # The thread wakes by itself every second; waking it for each record would slow down the writer.
            if len(self._lines) == _BATCH:
                self._changed.notify()

    def close(self, grace: float) -> None:
        """Send what waits for up to `grace` seconds, then stop. Blocks. What was not sent is still in the log on disk."""
        with self._changed:
            self._stop = True
            self._changed.notify()
        self._thread.join(grace)
        with self._changed:
            self._abort = True
            self._changed.notify()
        self._wire.close()

    def _run(self) -> None:
        pause = self._first_pause
        while True:
            with self._changed:
                while not self._heads and not self._lines and not self._stop:
                    self._changed.wait(1.0 if self.records else None)
                if self._abort or not (self._heads or self._lines):
                    return
                # Copies: a full queue may drop its oldest entries while these are being sent.
                head = self._heads[0] if self._heads else None
                lines = [] if head else [self._lines[index] for index in range(min(_BATCH, len(self._lines)))]
            try:
                if head:
                    self._wire.send_head(head)
                else:
                    self._wire.send_records(lines)
            except Exception as error:  # of any kind: it is reported and tried again, as the thread must not end
                with self._changed:
                    self._failures += 1
                    self._error = str(error) if isinstance(error, NotAccepted) else type(error).__name__
                    wait = pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, no secret
                    if self._stop:
                        self._changed.wait_for(lambda: self._abort, min(wait, self._first_pause))
                    else:
                        self._changed.wait_for(lambda: self._stop, wait)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = self._first_pause
            with self._changed:
                self._error = None
                if head:
                    self._anchored = max(self._anchored, head.sequence)
                    if self._heads and self._heads[0] is head:
                        self._heads.popleft()
                else:
                    sent = set(map(id, lines))
                    while self._lines and id(self._lines[0]) in sent:
                        self._lines.popleft()
