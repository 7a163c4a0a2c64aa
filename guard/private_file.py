"""A key file of the guard's own: no link, the guard's user's, and closed to everybody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from model.errors import InputError
from model.files import open_file

_MOST_BYTES = 65536


def read_private(path: Path, name: str) -> bytes:
    """The file's content. `name` is what an error calls the file.

    Raises:
        FileNotFoundError: there is none.
        InputError: others may read or write it, it belongs to another user, or it is a link or no plain file.
    """
    try:
        opened = open_file(path, os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    with opened as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid():
            raise InputError(f"{name} is not a file of the guard's own user", file=path)
        if status.st_mode & 0o077:
            raise InputError(
                f"others may use {name} (mode {stat.S_IMODE(status.st_mode):04o})",
                file=path,
                remedy="chmod 600, and make a new one if anyone could have read it",
            )
        return file.read(_MOST_BYTES)


def create_private(path: Path, content: bytes, name: str) -> None:
    """Write a new file that its owner alone may read. Raises InputError, also where there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise InputError(f"{name} cannot be made: {error.strerror}", file=path) from None
