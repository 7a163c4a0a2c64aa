"""Reads an audit log: verifies it and filters it; `following` reads on while it is written. Writes nothing."""

from __future__ import annotations

import io
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guard.audit.chain import MAX_LINE, AuditBroken, AuditReport, Break, ChainVerifier, SignedHead
from guard.audit.files import log_files, worker_log, worker_logs
from model.errors import InputError
from model.files import open_file

#: (file, line from 1, record)
Place = tuple[Path, int, dict[str, Any]]
Complain = Callable[[Path, int, str], None]
Hidden = Callable[[dict[str, Any]], bool]


def open_all(path: Path) -> list[tuple[Path, io.BufferedReader]]:
    """Open every file of the log, oldest first, as they were at one moment: a rotation meanwhile changes nothing.

    Raises InputError: there is no log at `path`, or a file cannot be read.
    """
    for _ in range(10):
        opened: list[tuple[Path, io.BufferedReader]] = []
        try:
            for file in log_files(path):
                opened.append((file, open_file(file, streams=True)))
            settled = [(file, os.fstat(stream.fileno()).st_ino) for file, stream in opened]
            if settled == [(file, file.stat().st_ino) for file in log_files(path)]:
                if not opened:
                    raise InputError("no audit log is here", file=path)
                return opened
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise InputError("no audit log is here", file=path) from None
        except OSError as error:
            close_all(opened)
            raise InputError(f"cannot be read: {error.strerror}", file=path) from None
        close_all(opened)
    raise InputError("is rotated faster than it can be opened", file=path, remedy="try again")


def close_all(opened: Iterable[tuple[Path, io.BufferedReader]]) -> None:
    for _, stream in opened:
        stream.close()


def verify(
    path: Path,
    keys: Iterable[Ed25519PublicKey] = (),
    anchors: Iterable[SignedHead] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Verify the log at `path` with all its rotated files (`chain.Verifier`), in memory that does not grow with the log.

    `progress` is called with (bytes read, bytes in all) about every megabyte. Raises InputError as `open_all`.
    """
    verifier = ChainVerifier(keys, anchors)
    opened = open_all(path)
    try:
        if opened[-1][0] != path:
            verifier.fail(path, 0, "this file of the log is missing: the guard always has one that it writes")
        total, bytes_read, reported = sum(os.fstat(stream.fileno()).st_size for _, stream in opened), 0, 0
        for file, stream in opened:
            number = 0
            for number, line in enumerate(_lines(stream, patient=file == path), 1):
                if not verifier.feed(file, number, line):
                    break
                bytes_read += len(line)
                if progress and bytes_read - reported > 1_000_000:
                    reported = bytes_read
                    progress(bytes_read, total)
            if number == 0 and file != path:
                verifier.fail(file, 0, "holds no record")
    finally:
        close_all(opened)
    return verifier.finish()


def verify_all(
    path: Path,
    keys: Iterable[Ed25519PublicKey] = (),
    anchors: Iterable[SignedHead] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[AuditReport]:
    """Verify the log at `path`, and those of the further workers of its guard: all that are there, and all that must be."""
    keys, anchors = list(keys), None if anchors is None else list(anchors)
    reports = [verify(path, keys, anchors, progress)]
    logs = worker_logs(path)
    for number in sorted({*logs, *range(2, reports[0].workers + 1)}):
        if number in logs:
            reports.append(verify(logs[number], keys, anchors, progress))
        else:
            text = f"this log is missing: the guard was last started with {reports[0].workers} workers"
            reports.append(AuditReport(broken=Break(str(worker_log(path, number)), 0, text)))
    return reports


def _lines(stream: io.BufferedReader, *, patient: bool) -> Iterator[bytes]:
    """Lines with their line ends. In the file that is being written, the last line gets a moment to be completed."""
    while line := stream.readline(MAX_LINE + 1):
        for _ in range(5 if patient else 0):
            if line.endswith(b"\n") or len(line) > MAX_LINE:
                break
            time.sleep(0.02)
            line += stream.readline(MAX_LINE + 1 - len(line))
        yield line


def read_anchors(file: Path) -> list[SignedHead]:
    """The heads in a file of one JSON object a line, as the collector received them. Raises InputError."""
    heads = []
    try:
        with open_file(file, streams=True) as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    heads.append(_head(file, number, line))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    return heads


def _head(file: Path, number: int, line: bytes) -> SignedHead:
    try:
        return SignedHead.from_json(json.loads(line))
    except (ValueError, RecursionError, AuditBroken):
        raise InputError(
            "is not a signed head", file=f"{file}:{number}", remedy="give the heads as the collector received them"
        ) from None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records to show; a member that is None matches every record. `instant` makes `since` and `until`."""

    principal: str | None = None
    tool: str | None = None
    decision: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    incident: str | None = None
    #: Says of a record whether it is left out.
    hidden: Hidden | None = None

    def matches(self, record: dict[str, Any]) -> bool:
        expected = {
            "principal": self.principal,
            "name": self.tool,
            "decision": self.decision,
            "reason": self.reason,
            "incident": self.incident,
        }
        if self.hidden is not None and self.hidden(record):
            return False
        if any(value is not None and record.get(key) != value for key, value in expected.items()):
            return False
        written_at = str(record.get("time"))
        return (self.since is None or written_at >= self.since) and (self.until is None or written_at < self.until)


def instant(text: str) -> str:
    """An ISO 8601 date or time in the form that records use, so that text order is time order. Without a zone it is UTC.

    Raises ValueError.
    """
    value = datetime.fromisoformat(text)
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def records(path: Path, complain: Complain) -> Iterator[Place]:
    """Every record of the log, oldest first, unverified; `complain` is called for each line that is no record.

    Raises InputError as `open_all`, and where no line is a record.
    """
    opened = open_all(path)
    lines = readable = 0
    try:
        for file, stream in opened:
            for number, line in enumerate(_lines(stream, patient=file == path), 1):
                record, lines = record_of(line), lines + 1
                if record is None:
                    complain(file, number, "not a record")
                else:
                    readable += 1
                    yield file, number, record
        if lines and not readable:
            raise _no_log(path)
    finally:
        close_all(opened)


def record_of(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and type(value.get("sequence")) is int else None


def _no_log(path: Path) -> InputError:
    return InputError("holds no audit record", file=path, remedy="name the guard's audit log")


def select(path: Path, criteria: Filter, limit: int, complain: Complain) -> tuple[list[dict[str, Any]], int]:
    """The newest `limit` matching records, oldest first, and the number of all matching records."""
    newest: deque[dict[str, Any]] = deque(maxlen=limit)
    total = 0
    for _, _, record in records(path, complain):
        if criteria.matches(record):
            newest.append(record)
            total += 1
    return list(newest), total


def select_all(
    paths: Iterable[Path], criteria: Filter, limit: int, complain: Complain
) -> tuple[list[dict[str, Any]], int]:
    """As `select`, of several logs together, in the order of time."""
    chosen = [select(path, criteria, limit, complain) for path in paths]
    newest = merge(*(records for records, _ in chosen), key=time_of)
    return list(newest)[-limit:], sum(total for _, total in chosen)


def time_of(record: dict[str, Any]) -> str:
    return str(record.get("time"))


def last_of_all(paths: Iterable[Path], count: int, hidden: Hidden | None = None) -> list[dict[str, Any]]:
    """As `last`, of several logs together, in the order of time."""
    return list(merge(*(last(path, count, hidden) for path in paths), key=time_of))[-count:]


def last(path: Path, count: int, hidden: Hidden | None = None) -> list[dict[str, Any]]:
    """The newest `count` records that are not hidden, oldest first. Reads backwards, so a long log takes no longer.

    Raises InputError as `open_all`, and where no line is a record.
    """
    newest: list[dict[str, Any]] = []
    lines = readable = 0
    opened = open_all(path)
    try:
        for _, stream in reversed(opened):
            for line in _backwards(stream):
                if len(newest) == count:
                    return newest[::-1]
                record, lines = record_of(line), lines + 1
                readable += record is not None
                if record is not None and not (hidden and hidden(record)):
                    newest.append(record)
    finally:
        close_all(opened)
    if lines and not readable:
        raise _no_log(path)
    return newest[::-1]


def _backwards(stream: io.BufferedReader) -> Iterator[bytes]:
    """Complete lines, last first; an incomplete last line is left out."""
    end, remainder, first = stream.seek(0, os.SEEK_END), b"", True
    while end > 0:
        begin = max(0, end - 65536)
        stream.seek(begin)
        lines = (stream.read(end - begin) + remainder).split(b"\n")
        end, remainder = begin, lines[0]
        tail = lines[1:]
        if first and tail:
            tail, first = tail[:-1], False
        for line in reversed(tail):
            yield line + b"\n"
    if remainder and not first:
        yield remainder + b"\n"
