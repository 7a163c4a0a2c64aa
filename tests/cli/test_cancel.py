"""`ringwall cancel` says who holds a lock and takes it from nobody who still runs."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from model.project import Project
from tests.support.command_line import ringwall


@pytest.mark.engine
@pytest.mark.parametrize(
    ("command", "home"),
    [
        (["cancel", "dev"], Path("state")),
        (["up", "dev", "--sandbox"], Path("sandbox", "state")),
        (["repair", "dev", "--sandbox"], Path("sandbox", "state")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_holder_that_still_runs_here_keeps_the_lock_and_is_named_in_one_line(
    project: Project, tmp_path: Path, command: list[str], home: Path
) -> None:
    folder = project.root / ".ringwall" / home / ".pulumi" / "locks" / "organization" / project.name / "dev"
    folder.mkdir(parents=True)
    engine = tmp_path / "pulumi"
    engine.symlink_to("/bin/cat")
    running = subprocess.Popen([str(engine)], stdin=subprocess.PIPE)
    content = {
        "pid": running.pid,
        "username": "ada",
        "hostname": socket.gethostname(),
        "timestamp": "2026-11-25T20:58:13Z",
    }
    (folder / "a.json").write_text(json.dumps(content), encoding="utf-8")
    try:
        done = ringwall(*command, "--yes", "--project", project.root)
    finally:
        assert running.stdin is not None
        running.stdin.close()
        running.wait()
    assert done.code == 5
    (error,) = done.errors
    assert f"another update of dev is running (ada@{socket.gethostname()}, pid {running.pid}" in error
    assert (folder / "a.json").exists()


def test_a_lock_that_nobody_holds_needs_no_engine(project: Project) -> None:
    done = ringwall("cancel", "dev", "--sandbox", "--project", project.root)
    assert (done.code, done.out) == (0, "dev: nobody holds its lock\n")
