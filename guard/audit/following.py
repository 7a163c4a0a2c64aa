"""Follows an audit log, or several of one guard together, while they are written, rotated, begun and cut."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from heapq import merge
from pathlib import Path
from typing import Any

from guard.audit.chain import MAX_LINE
from guard.audit.reader import Hidden, close_all, last, open_all, record_of, time_of
from model.errors import InputError
from model.files import open_file

#: Told of a log what a reader of its records must know.
Say = Callable[[Path, str], None]

_PAUSE = 0.2
_CHUNK = 64 * 1024
#: Chunks of one log that are read before the others are looked at.
_ROUND = 16


def follow(
    logs: Callable[[], Sequence[Path]],
    count: int,
    pause: Callable[[float], None] = time.sleep,
    *,
    hidden: Hidden | None = None,
    say: Say = lambda _, __: None,
) -> Iterator[dict[str, Any]]:
    """The newest `count` records of all logs, then each new one as it is written, for ever.

    What was written between two looks comes in the order of time. `logs` is asked before each look: a log that is new, as
    of a worker that began, is read from its first record on. Records that are `hidden` are left out. `pause` waits for the
    given seconds while there is nothing new. Raises InputError at the start.
    """
    followed: dict[Path, FollowedLog] = {}
    begun: list[list[dict[str, Any]]] = []
    for path in logs():
        end = _end_of(path)
        followed[path] = FollowedLog(path, end, say)
        begun.append([record for record in last(path, count, hidden) if number_of(record) <= end])
    yield from list(merge(*begun, key=time_of))[-count:] if count else ()
    try:
        while True:
            for path in logs():
                if path not in followed:
                    followed[path] = FollowedLog(path, 0, say)
            news = [log.news() for log in followed.values()]
            for record in merge(*news, key=time_of):
                if not (hidden and hidden(record)):
                    yield record
            if all(log.idle for log in followed.values()):
                pause(_PAUSE)
    finally:
        for log in followed.values():
            log.close()


class FollowedLog:
    """A place in one log: behind its record `sequence`."""

    def __init__(self, path: Path, sequence: int, say: Say) -> None:
        self._path = path
        self._sequence = sequence
        self._say = say
        self._stream: io.BufferedReader | None = None
        #: The first line of the file that was read last, by which another log in its place is known.
        self._head = b""
        self._remainder = b""
        #: Whether the last look came to the end of what is there.
        self.idle = False

    def news(self) -> list[dict[str, Any]]:
        """The records that follow, as far as they are there, over rotations."""
        records: list[dict[str, Any]] = []
        self.idle = False
        for _ in range(_ROUND):
            stream = self._stream or self._opened()
            if stream is None:
                self.idle = True
                break
            if chunk := stream.read(_CHUNK):
                *lines, self._remainder = (self._remainder + chunk).split(b"\n")
                for line in lines:
                    records += self._records_of(line + b"\n")
            elif not self._is_current(stream):
                self.close()
            elif os.fstat(stream.fileno()).st_size < stream.tell():
                self._say(
                    self._path, "was cut while it was read; `ringwall audit verify` says whether records are gone"
                )
                self.close()
                # What is written from here on has the numbers of what was cut off.
                self._sequence = min(self._sequence, _end_of(self._path))
            else:
                self.idle = True
                break
        return records

    def _opened(self) -> io.BufferedReader | None:
        """The file, from its begin; None between a rotation's two steps."""
        try:
            stream = open_file(self._path)
        except FileNotFoundError:
            return None
        head = stream.readline(MAX_LINE)
        if self._head and head != self._head and number_of(record_of(head) or {}) == 1:
            self._sequence = 0  # somebody began a new log here
        stream.seek(0)
        self._head, self._stream, self._remainder = head, stream, b""
        return stream

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _records_of(self, line: bytes) -> list[dict[str, Any]]:
        """The record of a line, where it is new, after those that were rotated away since the last look."""
        record = record_of(line)
        if record is None:
            self._say(self._path, "holds a line that is no record")
            return []
        number, before = number_of(record), self._sequence
        if number <= before:
            return []
        self._sequence = number
        between = list(_between(self._path, before, number)) if number > before + 1 else []
        if missing := number - before - 1 - len(between):
            self._say(self._path, f"lacks {missing} of the records from {before + 1} to {number - 1}")
        return [*between, record]

    def _is_current(self, stream: io.BufferedReader) -> bool:
        """Whether the path still leads to the open file; not so after a rotation."""
        try:
            return os.stat(self._path).st_ino == os.fstat(stream.fileno()).st_ino
        except FileNotFoundError:
            return False


def _end_of(path: Path) -> int:
    """The sequence of a log's last record; 0 without one."""
    with suppress(InputError):
        for record in last(path, 1):
            return number_of(record)
    return 0


def _between(path: Path, low: int, high: int) -> Iterator[dict[str, Any]]:
    """The records with a sequence above `low` and below `high`, from all files of the log; none where they are gone."""
    try:
        opened = open_all(path)
    except InputError:
        return
    try:
        begin = len(opened) - 1
        while begin > 0 and number_of(record_of(opened[begin][1].readline(MAX_LINE)) or {}) > low + 1:
            begin -= 1
        for _, stream in opened[begin:]:
            stream.seek(0)
            for record in filter(None, map(record_of, stream)):
                if low < number_of(record) < high:
                    yield record
    finally:
        close_all(opened)


def number_of(record: dict[str, Any]) -> int:
    """The record's sequence; 0 where it has none."""
    sequence = record.get("sequence")
    return sequence if type(sequence) is int else 0
