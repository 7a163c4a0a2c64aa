"""Folders for the time of a step, which an interruption leaves no part of."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed with all that is in it; also where Ctrl-C comes while it is being removed.

    `tempfile.TemporaryDirectory` gives up a folder that it was removing then.
    """
    folder = Path(tempfile.mkdtemp(prefix="ringwall-"))
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
