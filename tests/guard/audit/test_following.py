"""Whoever follows a guard's logs sees each record once, whatever becomes of the files meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.files import worker_log
from guard.audit.following import follow
from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from model.errors import InputError
from model.guard_config import Audit
from operations.audit_logs import all_logs
from tests.guard.audit.conftest import Opener, call

LARGE = "x" * 100_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def nothing_said(file: Path, problem: str) -> None:
    raise AssertionError(f"{file}: {problem}")


async def test_following_shows_each_record_once_over_rotations_faster_than_it_looks(
    path: Path, open_log: Opener
) -> None:
    log: AuditLog = open_log(rotate_megabytes=1)
    bursts = [2, 0, 60, 5, 1]  # 60 fill five files between two looks

    def write_more(_: float) -> None:
        for number in range(bursts.pop()):
            log.write(call(number, payload=LARGE))

    seen = []
    for record in follow(lambda: [path], 1, write_more, say=nothing_said):
        seen.append(record["sequence"])
        if not bursts and seen[-1] == log.sequence:
            break
    await log.close()
    assert seen == list(range(2, seen[-1] + 1))
    assert len(seen) > 68


def write(path: Path, *names: str, worker: int = 1) -> None:
    """A guard that begins, decides about these tools and ends."""
    server = "dev.desk" if worker == 1 else f"dev.desk/worker{worker}"
    log = AuditLog.open(Audit(path=str(worker_log(path, worker))), server=server, key=KEY)
    for name in names:
        log.write(AuditRecord(method="tools/call", decision=Decision.ALLOW, reason="allow", name=name))
    asyncio.run(log.close())


def is_bookkeeping(record: dict[str, Any]) -> bool:
    return record.get("method") != "tools/call"


def followed(path: Path, *steps: Callable[[], object], count: int = 10, said: list[str] | None = None) -> list[str]:
    """The tools that a follower sees until nothing is new after the last step; each is taken when nothing is new."""
    remaining = list(steps)

    class Over(Exception):
        pass

    def pause(_: float) -> None:
        if not remaining:
            raise Over
        remaining.pop(0)()

    def say(_: Path, problem: str) -> None:
        if said is None:
            nothing_said(_, problem)
        else:
            said.append(problem)

    def names() -> Iterator[str]:
        try:
            for record in follow(lambda: all_logs(path), count, pause, hidden=is_bookkeeping, say=say):
                yield record["name"]
        except Over:
            return

    return list(names())


def test_the_logs_of_workers_are_followed_together_in_the_order_of_time(path: Path) -> None:
    write(path, "a")
    write(path, "b", worker=2)
    write(path, "c")

    def more() -> None:
        write(path, "d", worker=2)
        write(path, "e")
        write(path, "f", worker=2)

    assert followed(path, more) == ["a", "b", "c", "d", "e", "f"]
    assert followed(path, count=2) == ["e", "f"]
    assert followed(path, count=0) == []


def test_the_log_of_a_worker_that_begins_later_is_followed_from_its_first_record(path: Path) -> None:
    write(path, "a")
    assert followed(path, lambda: write(path, "b", "c", worker=2), lambda: write(path, "d")) == ["a", "b", "c", "d"]


def test_a_log_that_is_cut_is_said_to_be_and_what_follows_is_shown(path: Path) -> None:
    write(path, "a", "b")
    said: list[str] = []

    def cut() -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        kept = next(number for number, line in enumerate(lines) if json.loads(line).get("name") == "a")
        os.truncate(path, len(b"".join(lines[: kept + 1])))

    assert followed(path, cut, lambda: write(path, "c"), said=said) == ["a", "b", "c"]
    assert [problem.partition(";")[0] for problem in said] == ["was cut while it was read"]


def test_another_log_in_the_place_of_one_that_was_emptied_is_shown_whole(path: Path) -> None:
    write(path, *"abcdef")
    said: list[str] = []

    def begin_anew() -> None:
        os.truncate(path, 0)
        write(path, "g")

    assert followed(path, begin_anew, said=said) == [*"abcdefg"]
    assert len(said) == 1


def test_records_that_are_gone_before_they_were_seen_are_counted(path: Path) -> None:
    write(path, "a")
    said: list[str] = []

    def drop() -> None:
        copy = path.with_name("copy.jsonl")
        copy.write_bytes(path.read_bytes())
        write(copy, "b", "c")
        lines = copy.read_bytes().splitlines(keepends=True)
        copy.write_bytes(b"".join(line for line in lines if json.loads(line).get("name") != "b"))
        os.rename(copy, path)

    assert followed(path, drop, said=said) == ["a", "c"]
    assert len(said) == 1
    assert said[0].startswith("lacks 1 of the records from ")


def test_a_log_that_is_not_there_cannot_be_followed(path: Path) -> None:
    with pytest.raises(InputError, match="no audit log is here"):
        followed(path)
