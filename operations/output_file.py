"""Files that a command writes where the user says; they are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from model.errors import InputError


def write_output(file: Path, text: str) -> None:
    """Write a text in one step, with the folders above it. Raises InputError where that is not possible."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", file=file, remedy="name another file") from None
