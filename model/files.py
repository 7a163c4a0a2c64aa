"""The one place that opens a file which people or other programs put there: nothing in its place keeps a reader waiting."""

from __future__ import annotations

import errno
import io
import os
import stat
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
