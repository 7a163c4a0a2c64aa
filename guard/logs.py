"""The guard's own log: plain lines on stderr, for whatever keeps the journal of the host. No payload, no secret."""

from __future__ import annotations

import logging
import sys


def to_stderr(*, debug: bool = False) -> None:
    """Send `ringwall.*` to stderr, warnings of libraries too; `debug` adds what led to them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("ringwall").setLevel(logging.DEBUG if debug else logging.INFO)
