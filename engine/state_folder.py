"""Whether a state folder takes what a run will write, asked before the run.

A full disk cuts the recorded state off, and what was made by then is recorded nowhere.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from engine.workspace import CHECKPOINT_FORMS, Target
from model.errors import EngineFailed

#: An engine keeps a checkpoint, its .bak, a copy of each update and an events file, and writes each anew for every step.
SPARE = 64 * 1024 * 1024
CHECKPOINTS = 20


def refuse_unwritable(target: Target, stack: str) -> None:
    """Refuse a run whose state, or whose own files, cannot be written; nothing where the backend is no folder.

    Raises:
        EngineFailed: the folder is read-only or its disk is nearly full.
    """
    stacks = target.stacks_folder()
    folder = target.state_folder
    if stacks is None or folder is None:
        return
    if not os.access(folder, os.W_OK):
        raise EngineFailed(
            f"{folder}: the state cannot be written, so nothing was begun",
            remedy="let this user write there, or mount it writable",
        )
    sizes = [file.stat().st_size for form in CHECKPOINT_FORMS if (file := stacks / f"{stack}{form}").is_file()]
    needed = SPARE + CHECKPOINTS * sum(sizes)
    for place in (folder, Path(tempfile.gettempdir())):
        free = shutil.disk_usage(place).free
        if free < needed:
            raise EngineFailed(
                f"{place}: {free // 2**20} MiB are free and a run of {stack} may write {needed // 2**20}, so nothing was "
                "begun: a full disk cuts the recorded state off",
                remedy="make room there",
            )
