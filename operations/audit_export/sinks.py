"""Where events go: what every destination has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from operations.audit_export.log_cursor import SealedRecord


class NotDelivered(Exception):
    """The destination does not have the records. The message quotes nothing of them and no credential."""


class EventSink(Protocol):
    """A destination. `send` returns once the destination has every record, and may be called with them again."""

    #: Records and bytes of one delivery at most, and the seconds that they are collected before it.
    most: int
    size: int
    wait: float

    def send(self, records: Sequence[SealedRecord]) -> None:
        """Deliver records; raises NotDelivered."""
        ...

    def close(self) -> None: ...
