"""The guard's own log: plain lines on stderr for the host's journal. No payload and no secret; decisions: `guard.audit`."""

from __future__ import annotations

import logging
import sys


def to_stderr(*, debug: bool = False) -> None:
    """Log `ringwall.*` from level info, and warnings of libraries, to stderr; with `debug`, `ringwall.*` from debug."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("ringwall").setLevel(logging.DEBUG if debug else logging.INFO)
