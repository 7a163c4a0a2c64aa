"""The log reaches a destination whole and in order, over rotations, restarts and outages; what was changed does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from guard.audit.chain import AuditBroken
from model.errors import InputError, RingwallError, Unreachable
from operations.audit_export import run
from operations.audit_export.log_cursor import LogCursor, RecordsMissing, SealedRecord
from operations.audit_export.meter import ExportMeter
from operations.audit_export.position import Position
from operations.audit_export.run import Export, Exported
from operations.audit_export.sinks import NotDelivered
from tests.operations.audit_export.conftest import Writer, call

PLACE = "s3://bucket"


class Shelf:
    """A destination that keeps records; `broken` deliveries fail, half of them after the records arrived."""

    most, size, wait = 7, 10**9, 0.0

    def __init__(self, broken: int = 0) -> None:
        self.broken = broken
        self.sequences: list[int] = []

    def send(self, records: Sequence[SealedRecord]) -> None:
        self.broken -= 1
        if self.broken >= 0 and self.broken % 2:
            raise NotDelivered("out of reach")
        self.sequences += [sealed.sequence for sealed in records]
        if self.broken >= 0:
            raise NotDelivered("no receipt")

    def close(self) -> None:
        return


class Stopped(Exception):
    """Ends an export that follows."""


@pytest.fixture
def exported(path: Path, tmp_path: Path) -> Callable[..., tuple[Exported, list[str | None]]]:
    """Runs one export to its end, with what it reported."""

    def running(shelf: Shelf) -> tuple[Exported, list[str | None]]:
        position, said = Position.open(tmp_path / "position", PLACE), list[str | None]()
        cursor = LogCursor(path, position.sequence, position.hash)
        meter = ExportMeter(position.sequence, cursor.lag)
        try:
            return Export(cursor, shelf, position, meter, said.append, pause=lambda _: None).run(follow=False), said
        finally:
            cursor.close()
            position.close()

    return running


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["sequence"] for line in path.read_bytes().splitlines()]


def test_an_export_begins_at_the_oldest_record_and_goes_on_where_it_was(
    path: Path, write: Writer, exported: Any
) -> None:
    write(20)
    shelf = Shelf()
    first = exported(shelf)[0]
    assert shelf.sequences == numbers(path)
    assert (first.records, first.sequence) == (len(numbers(path)), numbers(path)[-1])
    assert exported(shelf)[0].records == 0
    write(5)
    exported(shelf)
    assert shelf.sequences == numbers(path)


def test_what_fails_is_sent_again_and_nothing_is_left_out(path: Path, write: Writer, exported: Any) -> None:
    write(30)
    shelf = Shelf(broken=2)
    _, said = exported(shelf)
    assert sorted(set(shelf.sequences)) == numbers(path)
    assert len(shelf.sequences) == len(numbers(path)) + Shelf.most, "one delivery arrived without a receipt"
    assert said == ["out of reach", "no receipt", None]


def test_a_destination_that_stays_away_is_exit_6_and_the_position_stays(
    path: Path, write: Writer, exported: Any, tmp_path: Path
) -> None:
    write(3)
    with pytest.raises(Unreachable, match="records from 1 on were not delivered: out of reach") as raised:
        exported(Shelf(broken=2 * run.ATTEMPTS))
    assert raised.value.exit_code == 6
    assert not (tmp_path / "position").exists()
    shelf = Shelf()
    exported(shelf)
    assert shelf.sequences == numbers(path)


def test_a_rotated_log_is_exported_whole(path: Path, write: Writer, exported: Any) -> None:
    shelf = Shelf()
    write([call(n, problem="x" * 1000) for n in range(1500)], rotate_megabytes=1)
    exported(shelf)
    files = sorted(path.parent.glob("audit.jsonl.*"))
    assert files
    assert shelf.sequences == [n for file in (*reversed(files), path) for n in numbers(file)]


def test_following_goes_on_over_rotations(path: Path, write: Writer, tmp_path: Path) -> None:
    write(2)
    shelf, position = Shelf(), Position.open(tmp_path / "position", PLACE)
    cursor = LogCursor(path, 0, None)
    rounds = iter([1200, 1])

    def pause(_: float) -> None:
        """The guard writes while the export waits."""
        count = next(rounds, None)
        if count is None:
            raise Stopped
        write([call(n, problem="x" * 1000) for n in range(count)], rotate_megabytes=1)

    export = Export(cursor, shelf, position, ExportMeter(0, cursor.lag), lambda _: None, pause=pause)
    with pytest.raises(Stopped):
        export.run(follow=True)
    files = sorted(path.parent.glob("audit.jsonl.*"), reverse=True)
    assert shelf.sequences == [n for file in (*files, path) for n in numbers(file)]
    assert cursor.lag() == 0
    write(4)
    assert cursor.lag() == 8  # start, open, four decisions, close, head
    cursor.close()
    position.close()


def test_records_that_were_rotated_away_are_missed_and_named(path: Path, write: Writer, exported: Any) -> None:
    write(3)
    exported(Shelf())
    last = numbers(path)[-1]
    write([call(n, problem="x" * 1000) for n in range(3000)], rotate_megabytes=1, keep_files=1)
    first = numbers(path.with_name("audit.jsonl.1"))[0]
    with pytest.raises(RecordsMissing) as raised:
        exported(Shelf())
    assert f"records {last + 1} to {first - 1} were rotated away" in str(raised.value)


def changed(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


@pytest.mark.parametrize("after", [False, True])
def test_a_record_that_was_changed_is_not_exported(path: Path, write: Writer, exported: Any, after: bool) -> None:
    write(3)
    if after:
        exported(Shelf())
        write(3)
    end = len(numbers(path)) - 3
    lines = path.read_bytes().splitlines(keepends=True)
    lines[end] = lines[end].replace(b"tool_", b"loot_")
    path.write_bytes(b"".join(lines))
    shelf = Shelf()
    with pytest.raises(AuditBroken, match="ringwall audit verify"):
        exported(shelf)
    assert end + 1 not in shelf.sequences


def test_another_log_in_its_place_is_not_exported(path: Path, write: Writer, exported: Any) -> None:
    write(5)
    exported(Shelf())
    path.unlink()
    write(1)
    with pytest.raises(AuditBroken, match="its end was cut, or it is another log"):
        exported(Shelf())
    write(9)
    with pytest.raises(AuditBroken, match="the log was rewritten"):
        exported(Shelf())


def test_a_line_that_is_being_written_waits(path: Path, write: Writer) -> None:
    write(2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    cursor = LogCursor(path, 0, None)
    count = len(cursor.read(100, 10**9))
    assert cursor.read(100, 10**9) == []
    path.write_bytes(whole)
    assert [sealed.sequence for sealed in cursor.read(100, 10**9)] == [count + 1]
    cursor.close()


def test_a_position_has_one_user_one_log_and_one_destination(path: Path, write: Writer, tmp_path: Path) -> None:
    file = tmp_path / "position"
    position = Position.open(file, PLACE)
    with pytest.raises(InputError, match="another export uses this position"):
        Position.open(file, PLACE)
    position.move("dev.desk", 3, "a" * 64)
    with pytest.raises(InputError, match="is the position in the log of"):
        position.move("dev.other", 4, "b" * 64)
    position.close()
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="is the position of s3://bucket"):
        Position.open(file, "syslog+tls://siem.example.com")
    again = Position.open(file, PLACE)
    assert (again.sequence, again.hash) == (3, "a" * 64)
    again.close()
    for text in ("", "{}", '{"version":1,"sequence":"3","hash":"x"}', "[]"):
        file.write_text(text)
        with pytest.raises(InputError, match="is not a position"):
            Position.open(file, PLACE)
    with pytest.raises(RingwallError, match="cannot be written"):
        Position.open(tmp_path / "none" / "position", PLACE)
