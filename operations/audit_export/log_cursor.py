"""Reads an audit log onward from a record, over rotations, and verifies each record on its way: nothing is exported that
does not continue the chain."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.audit.chain import MAX_LINE, AuditBroken, unseal
from guard.audit.files import AuditUnwritable, read_tail
from guard.audit.reader import close_all, open_all
from model.errors import InputError


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record, its hash, and its very line."""

    record: dict[str, Any]
    hash: str
    line: bytes

    @property
    def sequence(self) -> int:
        return int(self.record["sequence"])


class RecordsMissing(InputError):
    """Records that were not exported are gone from the log."""


class LogCursor:
    """A place in the log: behind record `sequence`, whose hash is `digest`; 0 and None stand before the oldest record."""

    def __init__(self, path: Path, sequence: int, digest: str | None) -> None:
        self._path = path
        self._sequence = sequence
        self._hash = digest
        self._stream: io.BufferedReader | None = None

    def read(self, count: int, size: int) -> list[SealedRecord]:
        """The next records, at most so many and about so many bytes; none where there is no further one yet.

        Raises:
            AuditBroken: a record is not what the guard wrote, or does not continue the one before it.
            RecordsMissing: the next record was removed with its file.
            InputError: there is no log, or it cannot be read.
        """
        batch: list[SealedRecord] = []
        while len(batch) < count and size > 0:
            if self._stream is None:
                self._stream = self._file()
            line = self._line(self._stream)
            if line is not None:
                sealed = self._next(line)
                if sealed is not None:
                    batch.append(sealed)
                    size -= len(line)
            elif self._is_current(self._stream):
                break
            elif (line := self._line(self._stream)) is None:
                # The file was rotated, and it is read to its end since.
                self.close()
            elif (sealed := self._next(line)) is not None:
                batch.append(sealed)
        return batch

    def lag(self) -> int:
        """How many records of the log are behind this place."""
        with suppress(AuditUnwritable, FileNotFoundError):
            record = read_tail(self._path).record
            return max(0, int(record["sequence"]) - self._sequence) if record else 0
        return 0

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _file(self) -> io.BufferedReader:
        """The newest file whose first record is not beyond the next one."""
        opened = open_all(self._path)
        chosen: io.BufferedReader | None = None
        oldest = 0
        try:
            self._check_end()
            for file, stream in reversed(opened):
                line = self._line(stream)
                if line is None and stream is not opened[0][1]:
                    continue
                first = None if line is None else self._unsealed(line, file).sequence
                stream.seek(0)
                if first is None or self._sequence == 0 or first <= self._sequence + 1:
                    chosen = opened[0][1] if self._sequence == 0 else stream
                    chosen.seek(0)
                    return chosen
                oldest = first
            raise RecordsMissing(
                f"records {self._sequence + 1} to {oldest - 1} were rotated away before they were exported",
                file=self._path,
                remedy="note the gap, then remove the position file to begin at the oldest record that is kept",
            )
        finally:
            close_all((file, stream) for file, stream in opened if stream is not chosen)

    def _check_end(self) -> None:
        """Raises AuditBroken where the log ends before this place."""
        with suppress(AuditUnwritable, FileNotFoundError):
            record = read_tail(self._path).record
            if record is not None and int(record["sequence"]) < self._sequence:
                raise AuditBroken(
                    f"{self._path}: ends at record {record['sequence']}, and record {self._sequence} was exported: "
                    "its end was cut, or it is another log"
                )

    def _line(self, stream: io.BufferedReader) -> bytes | None:
        """The next whole line; None where there is none yet."""
        begin = stream.tell()
        line = stream.readline(MAX_LINE + 1)
        if line.endswith(b"\n"):
            return line
        if len(line) > MAX_LINE:
            raise AuditBroken(f"{self._path}: a line is too long for an audit record; run `ringwall audit verify`")
        stream.seek(begin)
        return None

    def _next(self, line: bytes) -> SealedRecord | None:
        """The record, which must be the next one; None for one before this place."""
        sealed = self._unsealed(line, self._path)
        number = sealed.sequence
        if self._sequence and number <= self._sequence:
            if number == self._sequence and sealed.hash != self._hash:
                raise AuditBroken(
                    f"{self._path}: record {number} is not the one that was exported: the log was rewritten"
                )
            return None
        if self._sequence and (number != self._sequence + 1 or sealed.record["previous"] != self._hash):
            raise AuditBroken(f"{self._path}: record {number} does not continue record {self._sequence}")
        self._sequence, self._hash = number, sealed.hash
        return sealed

    def _unsealed(self, line: bytes, file: Path) -> SealedRecord:
        try:
            record, digest = unseal(line)
        except AuditBroken as broken:
            raise AuditBroken(f"{file}: a record is broken ({broken}); run `ringwall audit verify`") from None
        return SealedRecord(record, digest, line)

    def _is_current(self, stream: io.BufferedReader) -> bool:
        try:
            return os.stat(self._path).st_ino == os.fstat(stream.fileno()).st_ino
        except FileNotFoundError:
            return True  # between a rotation's two steps: the new file comes in a moment
