"""uvicorn's HTTP/1.1 protocol within bounds, on the other side: an answer that is read, or a connection that ends.

uvicorn waits for ever until a client takes what was written for it, and holds the answer, its stream and its connection
to the server as long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import MutableMapping
from typing import Any

from guard.audit.files import AuditUnwritable
from guard.decide.reasons import Reason
from guard.http.bounded_reader import BoundedReader
from guard.identity.principal import Principal

#: The member of a scope's `state` that holds who sent the request, once it is verified.
_SENDER = "ringwall.sender"


def note_sender(scope: MutableMapping[str, Any], principal: Principal) -> None:
    """Say whose request this is, for a refusal of its connection."""
    scope.setdefault("state", {})[_SENDER] = principal


class BoundedWriter(BoundedReader):
    """A protocol that cuts a connection whose client leaves an answer unread, with an incident in the audit log.

    The timer runs only while the transport holds more than it wants to (64 KiB): most answers never start it.
    """

    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        size = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(
            self._bounds.answer_seconds + size / self._bounds.answer_rate, self._cut_unread
        )

    def resume_writing(self) -> None:
        self._read_on()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._read_on()
        super().connection_lost(exc)

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _cut_unread(self) -> None:
        self._unread = None
        sender = self.cycle.scope["state"].get(_SENDER) if self.cycle is not None else None
        with contextlib.suppress(AuditUnwritable):  # the guard is closed then, and says so to every caller
            self._note(Reason.UNREAD, sender)
        self.transport.abort()
