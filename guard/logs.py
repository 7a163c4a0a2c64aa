"""The guard's own log: plain lines on stderr for the host's journal. No payload and no secret; decisions: `guard.audit`."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

from model.text import printable

#: Whose guard the running task is of. Lines of a process with several guards begin with it.
SERVER: ContextVar[str] = ContextVar("server", default="")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        server = SERVER.get()
        record.server = f"{server}: " if server else ""
        # What a server, a client or an address says may stand in a line, and nothing of it moves a terminal's cursor.
        return printable(super().format(record))


def to_stderr(*, debug: bool = False, servers: bool = False, worker: int = 0) -> None:
    """Log `ringwall.*` from level info, and warnings of libraries, to stderr; with `debug`, `ringwall.*` from debug. With
    `servers` a line names the server it is about, with `worker` the process of a guard that has several."""
    subject = "%(server)s" if servers else f"worker {worker}: " if worker else ""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(f"%(asctime)s %(levelname)s %(name)s: {subject}%(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("ringwall").setLevel(logging.DEBUG if debug else logging.INFO)
