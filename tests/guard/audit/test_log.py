from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from guard.audit import files
from guard.audit import log as log_module
from guard.audit.chain import ZERO
from guard.audit.files import AuditUnwritable
from guard.audit.keys import load_or_create_key, load_public_key
from guard.audit.log import AuditLog
from guard.audit.reader import verify
from model.errors import InputError
from tests.guard.audit.conftest import KEY, Opener, call, lines_of, write_log, written

PUBLIC = KEY.public_key()
#: Eleven decisions of this size fill the smallest file.
LARGE = "x" * 100_000

CHILD = """\
import asyncio, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from guard.audit.log import AuditLog
from guard.audit.files import AuditUnwritable
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from model.guard_config import Audit

key = load_pem_private_key(sys.stdin.read().encode(), None)
log = AuditLog.open(Audit(path=sys.argv[1], fsync="always", rotate_megabytes=1), server="dev.desk", key=key)
record = AuditRecord(method="tools/call", decision=Decision.ALLOW, reason="granted", payload="x" * int(sys.argv[2]))
"""
UNTIL_KILLED = """
async def caller():
    while True:
        number = log.write(record)
        await log.durable(number)
        print(number, flush=True)

async def main():
    await asyncio.gather(*(caller() for _ in range(8)))

asyncio.run(main())
"""
UNTIL_FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
raised, last = [], 0
while len(raised) < 3:
    try:
        last = log.write(record)
    except AuditUnwritable as error:
        raised.append(str(error))
try:
    asyncio.run(log.durable(log.sequence))
except AuditUnwritable:
    raised.append("durable")
print(last, log.healthy, len(set(raised)), raised[-1], raised[0])
"""


def child(path: Path, code: str, payload: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD + code, str(path), str(payload)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    process.stdin.close()
    process.stdin = None
    return process


def test_the_first_record_has_number_1_and_no_predecessor_and_each_names_the_one_before(path: Path) -> None:
    written(path, 3)
    records = lines_of(path)
    assert [record["kind"] for record in records] == ["start", "head", "open", *["decision"] * 3, "close", "head"]
    assert [record["sequence"] for record in records] == list(range(1, 9))
    assert [record["previous"] for record in records] == [ZERO, *(record["hash"] for record in records[:-1])]
    assert records[2]["details"] == {"identity": "demo", "bundle": None}
    assert {record["time"] for record in records} == {"2026-09-21T14:13:20.250000Z"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_reopened_log_goes_on(path: Path, open_log: Opener) -> None:
    await write_log(path, 3)
    log = open_log()
    assert log.write(call()) == 10
    await log.close()
    report = verify(path, [PUBLIC])
    assert (report.broken, report.records, report.heads) == (None, 12, 4)


async def test_a_record_is_in_the_file_when_write_returns(path: Path, open_log: Opener) -> None:
    log = open_log()
    number = log.write(call(7))
    assert lines_of(path)[-1]["name"] == "tool_7"
    assert lines_of(path)[-1]["sequence"] == number
    await log.close()


async def test_two_guards_on_one_log_are_refused(path: Path, open_log: Opener) -> None:
    log = open_log()
    with pytest.raises(AuditUnwritable, match="another guard writes this audit log"):
        open_log()
    await log.close()
    await open_log().close()


def test_another_servers_log_a_link_and_a_file_that_others_may_write_are_refused(path: Path, open_log: Opener) -> None:
    written(path, 1)
    changed = path.read_bytes()
    path.chmod(0o660)
    with pytest.raises(AuditUnwritable, match="may be written by others"):
        open_log()
    path.chmod(0o640)
    path.rename(path.with_name("real"))
    path.symlink_to("real")
    with pytest.raises(AuditUnwritable, match="symbolic links"):
        open_log()
    path.unlink()
    path.with_name("real").rename(path)
    from model.guard_config import Audit

    with pytest.raises(AuditUnwritable, match="another server's"):
        AuditLog.open(Audit(path=str(path)), server="dev.other", key=KEY)
    assert path.read_bytes() == changed


def test_a_folder_that_is_not_there_is_an_error_that_says_so(path: Path) -> None:
    from model.guard_config import Audit

    with pytest.raises(AuditUnwritable, match="No such file or directory"):
        AuditLog.open(Audit(path=str(path / "deeper")), server="s", key=KEY)


async def test_an_incomplete_last_line_is_set_aside_and_noted(path: Path, open_log: Opener) -> None:
    whole = await write_log(path, 3)
    path.write_bytes(whole + b'{"half')
    assert not verify(path).ok
    await open_log().close()
    assert path.read_bytes().startswith(whole)
    note = lines_of(path)[8]
    assert (note["kind"], note["details"]["bytes"]) == ("recovered", 6)
    report = verify(path, [PUBLIC])
    assert (report.broken, report.recovered) == (None, 1)


def test_a_broken_last_record_is_refused_and_left_as_it_is(path: Path, open_log: Opener) -> None:
    data = written(path, 3).replace(b'"kind":"head"', b'"kind":"heat"')
    path.write_bytes(data)
    with pytest.raises(
        AuditUnwritable, match=r"broken \(its hash does not match its content\); look at it with `ringwall audit"
    ):
        open_log()
    assert path.read_bytes() == data


def test_a_log_whose_current_file_is_gone_is_refused(path: Path, open_log: Opener) -> None:
    written(path, 3)
    path.rename(path.with_name("audit.jsonl.1"))
    with pytest.raises(
        AuditUnwritable, match=r"is missing or empty, and .*audit\.jsonl\.1 does not end with a rotation"
    ):
        open_log()
    assert (
        str(verify(path).broken) == f"{path}: this file of the log is missing: the guard always has one that it writes"
    )


async def test_a_killed_guard_loses_no_acknowledged_record_and_leaves_a_chain_that_goes_on(
    path: Path, open_log: Opener
) -> None:
    process = child(path, UNTIL_KILLED, 20_000)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().splitlines() if line]
    process.wait(timeout=90)
    process.stdout.close()
    await open_log().close()
    report = verify(path, [PUBLIC])
    assert report.broken is None
    assert report.first_sequence == 1
    assert len(report.files) > 3, "it was killed while rotating every few dozen records"
    kept = {
        record["sequence"] for file in report.files for record in lines_of(Path(file)) if record["kind"] == "decision"
    }
    assert set(acknowledged) <= kept


async def test_a_full_disk_closes_the_log_for_good(path: Path, open_log: Opener) -> None:
    process = child(path, UNTIL_FULL, 1000)
    out, _ = process.communicate(timeout=120)
    number, healthy, texts, last, *reason = out.split()
    assert (healthy, texts, last) == ("False", "2", "durable")
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    assert len(whole) == int(number), "what was acknowledged is whole, what is not whole was not acknowledged"
    assert "the audit log cannot be written, so the guard refuses everything" in " ".join(reason)
    await open_log().close()
    report = verify(path, [PUBLIC])
    assert (report.broken, report.recovered) == (None, 1)


@pytest.mark.parametrize("harm", ["moved", "removed", "cut"])
async def test_a_log_that_was_moved_removed_or_cut_closes_the_guard(path: Path, open_log: Opener, harm: str) -> None:
    log = open_log(fsync="always")
    if harm == "moved":
        path.rename(path.with_name("elsewhere"))
    elif harm == "removed":
        path.unlink()
    else:
        os.truncate(path, 0)

    with pytest.raises(AuditUnwritable, match=harm):
        await log.durable(log.write(call()))
    assert not log.healthy
    assert harm in (log.reason or "")
    with pytest.raises(AuditUnwritable):
        log.write(call())
    await log.close()


async def test_a_failed_fsync_closes_the_log_and_is_not_tried_again(
    open_log: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = open_log(fsync="always")
    tried = []

    def broken(fd: int) -> None:
        tried.append(fd)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("guard.audit.log.os.fsync", broken)
    for _ in range(2):
        with pytest.raises(AuditUnwritable, match="Input/output error"):
            await log.durable(log.write(call()))
    await log.close()
    assert len(tried) == 1
    # Whoever looks at the guard's own output reads it there too, once and not for every call.
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [log.reason]


async def test_one_fsync_serves_all_who_wait(open_log: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(fsync="always")
    real, count, begun, go = os.fsync, [0], threading.Event(), threading.Event()

    def slow(fd: int) -> None:
        count[0] += 1
        begun.set()
        go.wait(30)
        real(fd)

    monkeypatch.setattr("guard.audit.log.os.fsync", slow)
    first = asyncio.create_task(log.durable(log.write(call())))
    await asyncio.to_thread(begun.wait, 10)
    rest = [asyncio.create_task(log.durable(log.write(call()))) for _ in range(50)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in (first, *rest)), "nothing is on disk yet"
    go.set()
    await asyncio.gather(first, *rest)
    assert log.synced >= 51
    assert count[0] == 2
    await log.close()


async def test_batch_waits_for_nobody_and_syncs_so_many_records_at_once(
    open_log: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "BATCH_SECONDS", 3600.0)
    log = open_log(fsync="batch")
    real, called = os.fsync, threading.Event()

    def seen(fd: int) -> None:
        called.set()
        real(fd)

    monkeypatch.setattr("guard.audit.log.os.fsync", seen)
    for _ in range(log_module.BATCH_RECORDS - 1):
        await log.durable(log.write(call()))
    assert not called.is_set()
    log.write(call())
    assert called.wait(30)
    await log.close()


async def test_batch_syncs_after_a_second_at_most(open_log: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "BATCH_SECONDS", 0.01)
    log = open_log(fsync="batch")
    called = threading.Event()
    monkeypatch.setattr("guard.audit.log.os.fsync", lambda fd: called.set())
    log.write(call())
    assert called.wait(30)
    await log.close()


async def test_every_thousand_records_are_signed(path: Path, open_log: Opener) -> None:
    log = open_log()
    for _ in range(2500):
        log.write(call())
    heads = [record["sequence"] for record in lines_of(path) if record["kind"] == "head"]
    assert heads == [2, 1003, 2004]
    await log.close()
    assert verify(path, [PUBLIC]).ok


async def test_rotation_keeps_the_chain_and_says_what_it_removes(path: Path, open_log: Opener) -> None:
    log = open_log(rotate_megabytes=1, keep_files=2)
    for number in range(60):
        log.write(call(number, payload=LARGE))
    await log.close()
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "audit.jsonl",
        "audit.jsonl.1",
        "audit.jsonl.2",
        "audit.jsonl.lock",
    ]
    report = verify(path, [PUBLIC])
    assert report.broken is None
    assert report.first_sequence is not None
    assert report.first_sequence > 30
    assert path.stat().st_size < 1_200_000


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"])
async def test_a_file_that_somebody_else_removes_is_noticed(path: Path, open_log: Opener, name: str) -> None:
    log = open_log(rotate_megabytes=1, keep_files=2)
    for number in range(60):
        log.write(call(number, payload=LARGE))
    await log.close()
    path.with_name(name).unlink()
    assert not verify(path).ok


@pytest.mark.parametrize("step", range(5))
async def test_a_rotation_interrupted_at_any_step_is_finished_on_the_next_start(
    path: Path, open_log: Opener, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    log = open_log(rotate_megabytes=1, keep_files=2)
    for number in range(33):
        log.write(call(number, payload=LARGE))
    done = 0
    acknowledged = [log.sequence]

    def stops(real: Callable[..., object]) -> Callable[..., object]:
        def operation(*arguments: object) -> object:
            nonlocal done
            if done == step:
                raise OSError(5, "power is gone")
            done += 1
            return real(*arguments)

        return operation

    with monkeypatch.context() as patch:
        for name in ("unlink", "rename"):
            patch.setattr(Path, name, stops(getattr(Path, name)))
        patch.setattr("guard.audit.log.open_log", stops(files.open_log))
        with pytest.raises(AuditUnwritable, match="power is gone"):
            acknowledged.extend(log.write(call(number, payload=LARGE)) for number in range(33))
        await log.close()
    log = open_log(rotate_megabytes=1, keep_files=2)
    await log.close()
    report = verify(path, [PUBLIC])
    assert report.broken is None
    assert report.last_sequence is not None
    assert report.last_sequence > acknowledged[-1]


async def test_smaller_keep_files_removes_the_surplus_and_says_so(path: Path, open_log: Opener) -> None:
    for keep in (4, 1):
        log = open_log(rotate_megabytes=1, keep_files=keep)
        for number in range(70):
            log.write(call(number, payload=LARGE))
        await log.close()
        assert verify(path, [PUBLIC]).ok
    assert sorted(path.parent.glob("audit.jsonl.[0-9]")) == [path.with_name("audit.jsonl.1")]


def test_the_signing_key_is_made_once_for_the_guard_alone(tmp_path: Path) -> None:
    file = tmp_path / "audit.key"
    key = load_or_create_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_or_create_key(file).private_bytes_raw() == key.private_bytes_raw()
    public = load_public_key(tmp_path / "audit.key.pub")
    assert public.public_bytes_raw() == key.public_key().public_bytes_raw()


def test_the_public_half_beside_the_key_is_the_keys_own_after_a_new_one_was_made(tmp_path: Path) -> None:
    file = tmp_path / "audit.key"
    load_or_create_key(file)
    file.unlink()
    key = load_or_create_key(file)
    public = load_public_key(tmp_path / "audit.key.pub")
    assert public.public_bytes_raw() == key.public_key().public_bytes_raw()


def test_a_signing_key_that_others_may_use_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "audit.key"
    load_or_create_key(file)
    file.chmod(0o640)
    with pytest.raises(InputError, match=r"others may use the audit signing key \(mode 0640\)"):
        load_or_create_key(file)
    file.chmod(0o600)
    file.write_text("no key")
    with pytest.raises(InputError, match="no unencrypted PEM private key"):
        load_or_create_key(file)
