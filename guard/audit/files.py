"""The files of one audit log: the guard writes to ``path``; ``path.1`` is the file before it, and so on.

Opening, locking and rotating are here; what stands in the files is not (`log`, `chain`). A rotation is announced in the
log before it happens, and can be finished after a crash at any point: files are removed oldest first and moved oldest
first, and no file is moved over another.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.audit.chain import MAX_LINE, ZERO, AuditBroken, unseal
from model.errors import RingwallError
from model.files import open_file

_BLOCK = 64 * 1024


class AuditUnwritable(RingwallError):
    """The audit log cannot be written, so nothing may be decided: the guard closes."""


def worker_log(path: Path, worker: int) -> Path:
    """The log of one worker of a guard, each of which writes a chain of its own; worker 1 writes to `path` itself.

    No name of it is that of a rotated file.
    """
    return path if worker == 1 else path.with_name(f"{path.stem}-worker{worker}{path.suffix}")


def worker_logs(path: Path) -> dict[int, Path]:
    """The logs beside `path` that further workers of its guard wrote, by number; none where it is such a log itself."""
    pattern = re.compile(
        re.escape(f"{path.stem}-worker") + "([2-9]|[1-9][0-9])" + re.escape(path.suffix) + r"(\.[1-9][0-9]*)?"
    )
    numbers = {int(match[1]) for file in path.parent.iterdir() if (match := pattern.fullmatch(file.name))}
    return {number: worker_log(path, number) for number in sorted(numbers)}


def worker_chain(server: str, worker: int) -> str:
    """What a worker's records name as their server: heads of two chains must never be taken for one another's."""
    return server if worker == 1 else f"{server}/worker{worker}"


def rotated(path: Path) -> dict[int, Path]:
    """The rotated files by their number."""
    prefix = path.name + "."
    files = {}
    for file in path.parent.iterdir():
        number = file.name.removeprefix(prefix)
        if file.name.startswith(prefix) and number.isascii() and number.isdigit() and not number.startswith("0"):
            files[int(number)] = file
    return files


def log_files(path: Path) -> list[Path]:
    """Every existing file of the log, oldest first."""
    older = rotated(path)
    return [older[number] for number in sorted(older, reverse=True)] + ([path] if path.exists() else [])


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a file: its last complete record and that one's hash and end, and the incomplete line that follows."""

    record: dict[str, Any] | None
    hash: str | None
    end: int
    remainder: bytes


def read_tail(file: Path) -> Tail:
    """Read a file's end. Raises AuditUnwritable if the last complete line is not what the guard wrote."""
    try:
        with open_file(file, os.O_NOFOLLOW) as stream:
            size = stream.seek(0, os.SEEK_END)
            data, begin = b"", size
            # Two line ends hold a whole line between them, whatever follows the second.
            while begin > 0 and data.count(b"\n") < 2 and len(data) <= 2 * MAX_LINE:
                begin, end = max(0, begin - _BLOCK), begin
                stream.seek(begin)
                data = stream.read(end - begin) + data
    except OSError as error:
        raise AuditUnwritable(f"{file}: the audit log cannot be read: {error.strerror}") from None
    lines, newline, remainder = data.rpartition(b"\n")
    if not newline:
        if begin > 0:
            raise AuditUnwritable(f"{file}: ends in a line too long for an audit record; {_ADVICE}")
        return Tail(None, None, 0, remainder)
    try:
        record, digest = unseal(lines.rpartition(b"\n")[2] + b"\n")
    except AuditBroken as error:
        raise AuditUnwritable(f"{file}: the last record of the audit log is broken ({error}); {_ADVICE}") from None
    return Tail(record, digest, size - len(remainder), remainder)


_ADVICE = "look at it with `ringwall audit verify`, and move the log's files away to begin a new one"


def removals(path: Path, keep_files: int) -> list[Path]:
    """The files that the next rotation removes, oldest first: all that would have a number above `keep_files` then."""
    older = rotated(path)
    crowded = all(number in older for number in range(1, keep_files + 1))
    return [
        older[number]
        for number in sorted(older, reverse=True)
        if number > keep_files or (number == keep_files and crowded)
    ]


def shift(path: Path, keep_files: int) -> None:
    """Remove what `removals` names, then free `path`: files below the first free number move up by one.

    Raises OSError.
    """
    for file in removals(path, keep_files):
        file.unlink()
    older = rotated(path)
    free = next(number for number in range(1, keep_files + 2) if number not in older)
    for number in range(free, 1, -1):
        older[number - 1].rename(path.with_name(f"{path.name}.{number}"))
    path.rename(path.with_name(f"{path.name}.1"))
    sync_folder(path)


def sync_folder(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_log(path: Path) -> tuple[int, int]:
    """Open `path` for appending; a new file gets mode 0640. Returns the descriptor and the file's size.

    Raises AuditUnwritable: the file cannot be opened, is a link or no plain file, or others may write it.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o640)
            os.fchmod(fd, 0o640)
            sync_folder(path)
        except FileExistsError:
            # Opening a pipe for writing would wait for a reader.
            fd = os.open(path, flags | os.O_NONBLOCK)
        status = os.fstat(fd)
    except OSError as error:
        raise AuditUnwritable(f"{path}: the audit log cannot be opened: {error.strerror}") from None
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = "is not a plain file"
    elif status.st_mode & 0o022:
        problem = f"may be written by others (mode {stat.S_IMODE(status.st_mode):04o}); chmod 640"
    if problem:
        os.close(fd)
        raise AuditUnwritable(f"{path}: the audit log {problem}")
    return fd, status.st_size


def lock_log(path: Path) -> int:
    """Lock the log for this process and return the descriptor that holds the lock. Raises AuditUnwritable."""
    # A file of its own: a lock on the log itself would move away with it at rotation.
    lock = path.with_name(path.name + ".lock")
    fd = -1
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        if isinstance(error, BlockingIOError):
            text = f"{path}: another guard writes this audit log; give each guard its own audit path"
        else:
            text = f"{lock}: the audit log cannot be locked ({error.strerror})"
            if isinstance(error, FileNotFoundError):
                text += f"; make {path.parent}, for the guard alone to write"
        raise AuditUnwritable(text) from None
    return fd


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where a chain continues: number and hash of its last record, the incomplete line that was cut off after it, and
    the reason to write into a start record if the file is a new one."""

    sequence: int = 0
    hash: str = ZERO
    remainder: bytes = b""
    reason: str = "new"


def chain_end(path: Path, server: str, keep_files: int) -> ChainEnd:
    """Find where the chain ends, cut off an incomplete last line, and finish a rotation that a crash interrupted.

    Raises:
        AuditUnwritable: the last record is broken or another server's, or the current file is missing.
        OSError: a file cannot be cut or moved.
    """
    exists = path.is_symlink() or path.exists()
    tail = read_tail(path) if exists else Tail(None, None, 0, b"")
    reason, record, digest = "new", tail.record, tail.hash
    if record is None:
        older = rotated(path)
        if older:
            before = read_tail(older[min(older)])
            if before.record is None or before.remainder or before.record["kind"] != "rotate":
                raise AuditUnwritable(
                    f"{path}: this file of the audit log is missing or empty, and {older[min(older)]} does not end with "
                    f"a rotation; {_ADVICE}"
                )
            reason, record, digest = "interrupted_rotation", before.record, before.hash
    if record is not None and record.get("server") != server:
        raise AuditUnwritable(f"{path}: this audit log is another server's; give each guard its own audit path")
    if tail.record is not None and tail.record["kind"] == "rotate":
        if tail.remainder:
            raise AuditUnwritable(f"{path}: something was written after the file had ended; {_ADVICE}")
        shift(path, keep_files)
        reason = "interrupted_rotation"
    if tail.remainder:
        os.truncate(path, tail.end)
    if record is None or digest is None:
        return ChainEnd(remainder=tail.remainder)
    return ChainEnd(record["sequence"], digest, tail.remainder, reason)
