"""The one place that opens a file which people or other programs put there: nothing in its place keeps a reader waiting.
And the one that replaces or makes a file in a single step: it is whole, or it is not there."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

#: A file that is read whole is far smaller; a log is read line by line.
MAX_BYTES = 4 * 1024 * 1024
_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


class NoFile(OSError):
    """A folder, pipe, socket or device where a file should be; `strerror` says which."""


class FileTooLarge(OSError):
    """A file is longer than what it is for."""


def open_file(path: Path | str, flags: int = 0, *, streams: bool = False) -> io.BufferedReader:
    """Open a file for reading; `flags` are further ones of `os.open`, such as `O_NOFOLLOW`.

    `streams` takes a pipe and a terminal too, and waits for them: a path of a command line may be a shell's ``<(command)``.

    Raises:
        NoFile: something else is there. A pipe would make its reader wait, and a device may never end.
        OSError: it cannot be opened.
    """
    try:
        # Without O_NONBLOCK, to open a pipe waits until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | (0 if streams else os.O_NONBLOCK) | os.O_CLOEXEC | flags)
    except OSError as error:
        if error.errno == errno.ENXIO:  # what open(2) says of a socket
            raise NoFile(errno.ENXIO, "is a socket, not a file", str(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or (streams and (stat.S_ISFIFO(mode) or os.isatty(descriptor))):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NoFile(errno.EINVAL, f"is a {_KINDS.get(stat.S_IFMT(mode), 'special file')}, not a file", str(path))


def read_bytes(path: Path | str, limit: int = MAX_BYTES, *, streams: bool = False) -> bytes:
    """The content of a file of at most `limit` bytes, opened as by `open_file`.

    Raises NoFile, FileTooLarge or another OSError.
    """
    with open_file(path, streams=streams) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise FileTooLarge(errno.EFBIG, f"is larger than {limit // 1024} KiB", str(path))
    return content


def write_atomically(path: Path, content: bytes, mode: int | None = None, *, replace: bool = True) -> None:
    """Replace `path` in one step, or without `replace` make it: FileExistsError is raised where it is there.

    It is on disk when this returns, and never has more permissions than `mode`: by default those of the file that is
    replaced, or what a new file gets. A link is replaced too, and what it leads to stays: give `path.resolve()` for a user's
    own file, which may be one.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o666 if mode is None else 0o600), "wb") as out:
            if mode is None and path.exists():
                mode = stat.S_IMODE(path.stat().st_mode)
            if mode is not None:
                os.fchmod(out.fileno(), mode)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if replace:
            temporary.replace(path)
        else:
            put_in_place(temporary, path)
            temporary.unlink(missing_ok=True)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # whoever reads it knows the file, not the temporary one
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


#: What a file system says that has no hard links, such as FAT and the shared folders of virtual machines.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def put_in_place(staged: Path, path: Path) -> None:
    """Give a finished file its name; unlike a rename, never over another one. Raises FileExistsError, or another OSError."""
    try:
        os.link(staged, path)
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
    try:
        staged.replace(path)
    except OSError:
        path.unlink()
        raise
