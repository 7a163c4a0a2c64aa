"""Ctrl-C and SIGTERM tell the truth: what was changed, and what frees a lock that is left. No trace, once or twice."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from tests.support.command_line import snapshot
from tests.support.interrupted import Stage
from tests.support.projects import write_project

pytestmark = pytest.mark.engine
APPLICATION = Fault("create", "*AccessApplication", delay=15.0, after_effect=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Path]]:
    """An environment that is up while its server is not, and where that is kept."""
    folder = tmp_path_factory.mktemp("ctrl-c")
    root = write_project(folder / "project")
    (root / ".ringwall" / "sandbox").mkdir(parents=True)
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        stage = Stage(root, sandbox)
        stage.run("up", "dev", "--yes")
        stage.run("destroy", "dev.one", "--yes")
        stage.keep(folder / "kept")
        yield stage, folder / "kept"


@pytest.fixture
def stage(prepared: tuple[Stage, Path]) -> Stage:
    stage, kept = prepared
    stage.go_back(kept)
    return stage


def _without_trace(stderr: str) -> str:
    for word in ("Traceback", "Exception in thread", "UserWarning", "RuntimeWarning", "KeyboardInterrupt"):
        assert word not in stderr, stderr
    return stderr.splitlines()[-1]


@pytest.mark.parametrize("alone", [False, True], ids=["Ctrl-C", "SIGTERM to the command alone"])
def test_once_lets_the_engine_end_and_the_same_command_goes_on(stage: Stage, alone: bool) -> None:
    done = stage.interrupt_in(APPLICATION, "up", "dev.one", "--yes", alone=alone)
    last = _without_trace(done.stderr)
    assert done.returncode == 130
    assert "interrupted: the engine finishes what it has begun" in done.stderr
    assert stage.locks() == []
    assert stage.sandbox.resources("*DnsRecord") == []  # nothing new was begun
    assert last == "interrupted; what was finished of dev.one is recorded, and the same command goes on from there"
    stage.run("up", "dev.one", "--yes")
    stage.assert_whole(stage.there())
    assert len(stage.sandbox.resources("*AccessApplication")) == 1


def test_twice_names_the_lock_that_is_left_and_the_command_that_frees_it(stage: Stage) -> None:
    done = stage.interrupt_in(APPLICATION, "up", "dev.one", "--yes", times=2)
    last = _without_trace(done.stderr)
    assert done.returncode == 130
    command = re.search(r"run `ringwall (.+?)`", last)
    assert (command is not None) == bool(stage.locks()), last
    if command is not None:
        words = shlex.split(command[1])
        assert words == ["cancel", "dev.one", "--sandbox", "--project", str(stage.root)]
        stage.run("cancel", "dev.one", "--yes")
        assert stage.locks() == []
    stage.run("up", "dev.one", "--yes")
    assert len(stage.sandbox.resources("*AccessApplication")) == 1


def test_at_a_question_nothing_was_changed(stage: Stage) -> None:
    before = snapshot(stage.root)
    code, shown = _interrupted_at(b"[y/N]", "offboard", "dev.one", "--project", str(stage.root))
    assert code == 130
    assert shown.splitlines()[-1] == "interrupted; nothing was changed"
    _without_trace(shown)
    assert snapshot(stage.root) == before


def _interrupted_at(text: bytes, *arguments: str) -> tuple[int, str]:
    """Run one command on a terminal and press Ctrl-C when it shows `text`."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    os.close(slave)
    shown, pressed = b"", False
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
            if text in shown and not pressed:
                pressed = True
                process.send_signal(signal.SIGINT)
    except OSError:  # Linux: the other end is closed
        pass
    finally:
        os.close(master)
    return process.wait(timeout=90), shown.decode().replace("\r\n", "\n")
