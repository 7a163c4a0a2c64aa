"""Standard output and standard error as they may be: closed, full, a pipe whose reader left, a terminal without Unicode."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress

HANDLER = "ringwall"
#: What the system says where a stream takes no more.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG})
#: What stands for a sign that the terminal's encoding lacks; any other is written as its escape.
_PLAIN = {
    "→": "->",
    "←": "<-",
    "…": "...",
    "“": '"',
    "”": '"',
    "\u2018": "'",
    "\u2019": "'",
    "\u2013": "-",
    "\u2014": "-",
    "±": "+-",
    "∓": "-+",
    "·": "*",
    "≤": "<=",
    "≥": ">=",
    "─": "-",
}


def prepare() -> None:
    """Make every text writable, and put the null device where a stream is closed: no file opened later takes its place."""
    codecs.register_error(HANDLER, _plain)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def writes_unicode() -> bool:
    """Whether standard output takes every character as it is."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def abandon() -> None:
    """Send what is left for standard output and standard error to nowhere: it cannot be written where it should go."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError, io.UnsupportedOperation):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text), error.end
