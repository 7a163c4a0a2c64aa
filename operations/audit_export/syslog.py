"""Syslog over TLS: messages of RFC 5424 in frames that give their length (RFC 5425, RFC 6587 section 3.4.1).

UDP loses messages without a word, so it is not spoken. Over TCP syslog has no receipts either, and what a receiver's system
has acknowledged its program may never read. So each delivery is a connection of its own, whose end says that all of it was
read (`receipts`); otherwise it is sent again.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence

from operations.audit_export.log_cursor import SealedRecord
from operations.audit_export.ocsf import line_of
from operations.audit_export.receipts import deliver
from operations.audit_export.sinks import NotDelivered
from wire.http import reason_of

#: log audit (RFC 5424, table 1), and the severities of table 2.
_FACILITY = 13
_SEVERITIES = {"block": 4, "refuse": 4, "error": 4, "flag": 5, "redact": 5}
_INFORMATIONAL = 6
_TIMEOUT = 20.0
_NOT_PRINTED = re.compile(r"[^!-~]")


class SyslogSink:
    """One receiver. `context` is None for plain TCP, which the caller allows on loopback alone."""

    most = 5000
    size = 4 * 1024 * 1024
    wait = 1.0

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._address = (host, port)
        self._context = context
        self._hostname = _NOT_PRINTED.sub("-", socket.gethostname())[:255] or "-"

    def send(self, records: Sequence[SealedRecord]) -> None:
        frames = b"".join(map(self._frame, records))
        try:
            deliver(*self._address, self._context, frames, _TIMEOUT)
        except OSError as error:
            raise NotDelivered(f"{self._address[0]}:{self._address[1]}: {reason_of(error)}") from None

    def _frame(self, sealed: SealedRecord) -> bytes:
        record = sealed.record
        severity = _SEVERITIES.get(str(record.get("decision")), _INFORMATIONAL)
        head = f"<{_FACILITY * 8 + severity}>1 {record.get('time')} {self._hostname} ringwall-guard - ocsf - "
        message = head.encode() + line_of(sealed)
        return b"%d %b" % (len(message), message)

    def close(self) -> None:
        """There is no connection between two deliveries."""
