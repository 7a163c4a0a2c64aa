from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guard.audit.reader import Filter, instant, last, read_anchors, select, verify
from guard.decide.reasons import Decision
from model.errors import InputError
from tests.guard.audit.conftest import Opener, call, written

LARGE = "x" * 100_000


def nothing_bad(file: Path, line: int, problem: str) -> None:
    raise AssertionError(f"{file}:{line}: {problem}")


async def test_every_filter_counts_and_all_must_hold(path: Path, open_log: Opener) -> None:
    log = open_log()
    log.write(call(1, principal="person:ada", incident="i1"))
    log.write(call(2, principal="person:ada", decision=Decision.BLOCK, reason="injection"))
    log.write(call(2, principal="agent:ci", decision=Decision.BLOCK, reason="no_verdict"))
    await log.close()

    def found(**wanted: Any) -> list[int]:
        return [record["sequence"] for record in select(path, Filter(**wanted), 10, nothing_bad)[0]]

    assert found(principal="person:ada") == [3, 4]
    assert found(tool="tool_2", decision="block") == [4, 5]
    assert found(reason="no_verdict") == [5]
    assert found(incident="i1") == [3]
    assert found(principal="person:ada", reason="no_verdict") == []


def test_since_holds_its_moment_and_until_does_not(path: Path) -> None:
    written(path, 3)
    at, later = instant("2026-09-21T16:13:20.25+02:00"), instant("2026-09-21T14:13:20.250001Z")
    assert select(path, Filter(since=at, until=later), 100, nothing_bad)[1] == 8
    assert select(path, Filter(until=at), 100, nothing_bad)[1] == 0
    assert select(path, Filter(since=later), 100, nothing_bad)[1] == 0
    assert instant("2026-09-21") == "2026-09-21T00:00:00.000000Z"


def test_the_newest_of_many_are_given_with_their_number(path: Path) -> None:
    written(path, 50)
    found, total = select(path, Filter(decision="allow"), 5, nothing_bad)
    assert ([record["name"] for record in found], total) == ([f"tool_{n}" for n in range(45, 50)], 50)


def test_lines_that_are_no_records_are_told_by_place(path: Path) -> None:
    data = written(path, 2)
    path.write_bytes(data + b"nonsense\n[]\n{")
    told: list[int] = []
    select(path, Filter(), 10, lambda file, line, problem: told.append(line))
    assert told == [8, 9, 10]


@pytest.mark.parametrize("count", [0, 1, 3, 40, 1000])
async def test_last_reads_backwards_over_rotated_files(path: Path, open_log: Opener, count: int) -> None:
    log = open_log(rotate_megabytes=1)
    for number in range(45):
        log.write(call(number, payload=LARGE))
    await log.close()
    everything = select(path, Filter(), 1000, nothing_bad)[0]
    assert last(path, count) == everything[len(everything) - count :] if count < 1000 else everything


def test_a_log_that_is_not_there_and_anchors_that_are_none_are_input_errors(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audit log is here"):
        verify(path)
    with pytest.raises(InputError, match="no audit log is here"):
        verify(path / "deeper")
    file = tmp_path / "anchors.jsonl"
    file.write_text('{"sequence": 1}\n')
    with pytest.raises(InputError, match=r"anchors\.jsonl:1: is not a signed head"):
        read_anchors(file)
