"""The export itself: reads records, delivers them, moves the position; again for as long as it takes.

The log on disk is what is true. A record counts as exported once its destination has it, and only then does the position
move: whatever ends in between, the records are sent again (at least once).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from model.errors import Unreachable
from operations.audit_export.log_cursor import LogCursor, SealedRecord
from operations.audit_export.meter import ExportMeter
from operations.audit_export.position import Position
from operations.audit_export.sinks import EventSink, NotDelivered

#: Seconds between two looks at the log, and those before a delivery is tried again.
INTERVAL = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: Attempts at one delivery where the export is to end.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: how many records it sent, and the last one."""

    records: int
    sequence: int


class Export:
    """One log, one destination, one position. `report` is told once of each problem, and None when it is over."""

    def __init__(
        self,
        cursor: LogCursor,
        sink: EventSink,
        position: Position,
        meter: ExportMeter,
        report: Callable[[str | None], None],
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cursor = cursor
        self._sink = sink
        self._position = position
        self._meter = meter
        self._report = report
        self._pause = pause
        self._problem: str | None = None
        self._sent = 0

    def run(self, *, follow: bool) -> Exported:
        """Export what the log holds; with `follow` go on for ever.

        Raises:
            AuditBroken, RecordsMissing: a record is not what the guard wrote, or is gone.
            Unreachable: the destination does not take the records, without `follow`.
            InputError: the log or the position cannot be read or written.
        """
        while True:
            batch = self._collect(follow=follow)
            if batch:
                self._deliver(batch, follow=follow)
            elif follow:
                self._pause(INTERVAL)
            else:
                return Exported(self._sent, self._position.sequence)

    def _collect(self, *, follow: bool) -> list[SealedRecord]:
        """The next delivery: what the log holds, and with `follow` what comes within the sink's time for one."""
        batch = self._cursor.read(self._sink.most, self._sink.size)
        until = time.monotonic() + self._sink.wait
        while follow and batch and time.monotonic() < until:
            room = self._sink.most - len(batch), self._sink.size - sum(len(sealed.line) for sealed in batch)
            if min(room) <= 0:
                break
            if not (records := self._cursor.read(*room)):
                self._pause(min(INTERVAL, max(0.0, until - time.monotonic())))
            batch += records
        return batch

    def _deliver(self, batch: list[SealedRecord], *, follow: bool) -> None:
        pause, attempt = FIRST_PAUSE, 0
        while True:
            try:
                self._sink.send(batch)
                break
            except NotDelivered as problem:
                attempt += 1
                self._meter.failures.inc()
                if not follow and attempt >= ATTEMPTS:
                    raise Unreachable(
                        f"records from {batch[0].sequence} on were not delivered: {problem}",
                        remedy="they are in the log still; run this again",
                    ) from None
                self._say(str(problem))
            self._pause(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads retries, no secret
            pause = min(pause * 2, LONGEST_PAUSE)
        self._say(None)
        last = batch[-1]
        self._position.move(str(last.record["server"]), last.sequence, last.hash)
        self._sent += len(batch)
        self._meter.moved(len(batch), last.sequence)

    def _say(self, problem: str | None) -> None:
        if problem != self._problem:
            self._report(problem)
        self._problem = problem
