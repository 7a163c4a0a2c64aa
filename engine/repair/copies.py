"""A stack's recorded state that was cut off, and the newest whole copy of it.

On a full disk the engine writes the checkpoint and its ``.bak`` short, again and again (run, Pulumi 3.256). Its copies of
earlier updates stay whole (pkg/backend/diy: `.pulumi/backups/PROJECT/STACK`).
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from engine.checkpoint import deployment_in, from_folder
from engine.workspace import CHECKPOINT_FORMS, Target
from model import effects
from model.errors import EngineFailed, RingwallError


def cut_off(target: Target, stack: str) -> Path | None:
    """The stack's checkpoint if it cannot be read; None where it can, or where there is none."""
    try:
        from_folder(target, stack)
    except EngineFailed:
        folder = target.stacks_folder()
        files = [folder / f"{stack}{name}" for name in CHECKPOINT_FORMS] if folder else []
        return next((file for file in files if file.is_file()), None)
    except RingwallError:
        return None
    return None


def newest_copy(target: Target, stack: str) -> Path | None:
    """The newest copy of the stack's checkpoint that can be read."""
    folder = target.stacks_folder()
    if folder is None:
        return None
    copies = [file for name in CHECKPOINT_FORMS for file in folder.glob(f"{stack}{name}.bak")]
    copies += [
        file
        for name in CHECKPOINT_FORMS
        for file in (folder.parents[1] / "backups" / target.project.name / stack).glob(f"*{name}")
    ]
    return max(filter(_is_whole, copies), key=lambda file: file.stat().st_mtime, default=None)


def put_back(target: Target, stack: str, checkpoint: Path, copy: Path) -> None:
    """Make the copy the stack's checkpoint. What is replaced stays beside it under another name."""
    restored = checkpoint.with_name(f"{stack}{_form(copy)}")
    # Before anything is moved: the disk that cut the state off may still be full.
    temporary = restored.with_name(f"{restored.name}.put-back")
    try:
        shutil.copyfile(copy, temporary)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        problem = f"{restored}: cannot be written ({error.strerror}); nothing was changed"
        raise EngineFailed(problem, remedy="make room, then run it again") from None
    effects.record(lambda: f"the recorded state of {stack} was put back from {copy.name}")
    # Under a name that is no checkpoint's, so that nothing takes it for a stack.
    checkpoint.rename(checkpoint.with_name(f"{checkpoint.name}.cut-off"))
    os.replace(temporary, restored)
    for attributes in (checkpoint, restored):
        attributes.with_name(f"{attributes.name}.attrs").unlink(missing_ok=True)


def time_of(copy: Path) -> str:
    """When a copy was written, in UTC."""
    return datetime.fromtimestamp(copy.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _is_whole(file: Path) -> bool:
    try:
        deployment_in(file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return False
    return True


def _form(copy: Path) -> str:
    return ".json.gz" if ".json.gz" in copy.name else ".json"
