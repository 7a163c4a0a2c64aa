"""Files that a command writes where the user says; they are whole or not there."""

from __future__ import annotations

from pathlib import Path

from model.errors import InputError
from model.files import write_atomically


def write_output(file: Path, text: str) -> None:
    """Write a text in one step, with the folders above it. A link stays one, and a stream such as /dev/stdout or a pipe is
    written to. Raises InputError where that is not possible."""
    try:
        if _is_stream(file):
            with file.open("ab") as out:
                out.write(text.encode())
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file.resolve(), text.encode())
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", file=file, remedy="name another file") from None


def _is_stream(file: Path) -> bool:
    """Whether this is no file to replace: a device or pipe, or a name such as /dev/fd/63 for what is open already."""
    return file.absolute().parts[1:2] in (("dev",), ("proc",)) or (
        file.exists() and not file.is_file() and not file.is_dir()
    )
