"""A lock is released only where its holder is known to be gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from engine.holder import Holder, all_ended, holders, on_file

REFUSAL = """\
error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock file \
with `pulumi cancel`.
  file:///p/.pulumi/locks/organization/p/dev/a.json: created by ada@build-1 (pid 7) at 2026-11-25T20:58:13Z
  file:///p/.pulumi/locks/organization/p/dev/b.json: created by bob@build-2 (pid 8) at 2026-11-25T20:59:13+01:00
"""


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def here(pid: int) -> Holder:
    return Holder("ada", socket.gethostname(), pid, "2026-11-25T20:58:13Z")


def test_the_engines_refusal_names_every_holder() -> None:
    assert [str(one) for one in holders(REFUSAL)] == [
        "ada@build-1, pid 7, since 2026-11-25T20:58:13Z",
        "bob@build-2, pid 8, since 2026-11-25T20:59:13+01:00",
    ]


def test_a_process_of_another_machine_is_never_known_to_be_gone() -> None:
    assert not all_ended(holders(REFUSAL))
    assert not all_ended([])


def test_a_process_that_ended_here_is_gone_and_one_beside_it_that_runs_keeps_the_lock(tmp_path: Path) -> None:
    engine = tmp_path / "pulumi"
    engine.symlink_to("/bin/cat")
    running = subprocess.Popen([str(engine)], stdin=subprocess.PIPE)
    try:
        assert here(ended_pid()).ended
        assert not here(running.pid).ended
        assert not all_ended([here(ended_pid()), here(running.pid)])
    finally:
        assert running.stdin is not None
        running.stdin.close()
        running.wait()


def test_a_number_that_came_round_to_another_program_is_not_the_holder() -> None:
    assert here(os.getpid()).ended  # this is Python, not Pulumi


def test_a_lock_file_that_cannot_be_read_keeps_the_lock(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "locks" / "organization" / "p" / "dev"
    folder.mkdir(parents=True)
    content = {
        "pid": ended_pid(),
        "username": "ada",
        "hostname": socket.gethostname(),
        "timestamp": "2026-11-25T20:58:13.5Z",
    }
    (folder / "a.json").write_text(json.dumps(content))
    found = on_file(f"file://{tmp_path}", "p", "dev")
    assert found is not None
    assert all_ended(found)
    (folder / "b.json").write_text("{")
    assert not all_ended(on_file(f"file://{tmp_path}", "p", "dev") or [])
    assert on_file(f"file://{tmp_path}", "p", "other") == []
    assert on_file("s3://bucket", "p", "dev") is None
