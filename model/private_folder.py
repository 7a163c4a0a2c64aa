"""Folders of the project's own `.ringwall`, which only its owner may enter, whatever the umask.

State, plans and keys of the sandbox stand there. Under a umask of 000 any other account of the machine could change what the
next run takes for deployed.
"""

from __future__ import annotations

import os
from pathlib import Path

from model.errors import InputError

NAME = ".ringwall"
_PRIVATE = 0o700
_OTHERS_WRITE = 0o002


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for the owner alone; one that is there stays as it is.

    `Path.mkdir` gives its mode to the last folder only. Raises OSError.
    """
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(_PRIVATE, exist_ok=True)
    folder.mkdir(exist_ok=True)  # a file in its place is said so


def refuse_shared(root: Path) -> None:
    """Refuse a project whose `.ringwall` every account of the machine may write to; raises InputError."""
    folder = root / NAME
    if os.name == "posix" and folder.is_dir() and folder.stat().st_mode & _OTHERS_WRITE:
        raise InputError(
            "every account of this machine may write there, and so change what is taken for deployed",
            file=folder,
            remedy=f"run `chmod 700 {folder}`, and look at what `ringwall preview` then shows",
        )
