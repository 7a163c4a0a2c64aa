"""Full disks, closed pipes, terminals without Unicode and streams that are not there are no defects of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.project import Project

RINGWALL = [sys.executable, "-m", "cli.main"]
SHELL = 'exec "$0" -m cli.main '


def _shell(script: str, *, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run one command in a shell, as its redirections say; ``$0`` is Python."""
    return subprocess.run(
        ["/bin/bash", "-c", script, sys.executable],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        cwd=cwd,
    )


@pytest.mark.parametrize("arguments", ["check --list-rules", "list", "list --json", "schema", "version", "--help"])
def test_full_disk_is_one_line(project: Project, arguments: str) -> None:
    done = _shell(f"{SHELL}{arguments} > /dev/full", cwd=project.root)
    assert (done.returncode, done.stderr.decode()) == (
        1,
        "error: the output cannot be written: No space left on device; make room, or write it elsewhere\n",
    )


def test_full_disk_for_both_streams_is_no_trace(project: Project) -> None:
    assert _shell(f"{SHELL}list > /dev/full 2> /dev/full", cwd=project.root).returncode == 1
    assert _shell(f"{SHELL}list --nonsense 2> /dev/full", cwd=project.root).returncode == 2


@pytest.mark.parametrize("arguments", ["check --list-rules", "schema", "list"])
def test_reader_that_leaves_ends_the_command_in_silence(project: Project, arguments: str) -> None:
    done = _shell(f'"$0" -m cli.main {arguments} | true; echo "${{PIPESTATUS[0]}}"', cwd=project.root)
    assert done.stdout.decode().strip() in {"0", "141"}
    assert done.stderr == b""


def test_terminal_of_ascii_gets_signs_that_stand_for_others(project: Project) -> None:
    done = _shell(f"{SHELL}check --list-rules", cwd=project.root, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, b"")
    done.stdout.decode("ascii")
    program = "from cli import streams; streams.prepare(); print('a → b … “c” ± ø \\ud800')"
    shown = _shell('exec "$0" -c "$PROGRAM"', PROGRAM=program, PYTHONIOENCODING="ascii")
    assert shown.stdout.decode() == 'a -> b ... "c" +- \\xf8 \\ud800\n'


def test_json_on_a_terminal_of_ascii_is_the_same_document(project: Project) -> None:
    folder = project.root.with_name("prøject → x")
    project.root.rename(folder)
    plain = _shell(f"{SHELL}list --json", cwd=folder, PYTHONIOENCODING="ascii")
    whole = _shell(f"{SHELL}list --json", cwd=folder, PYTHONIOENCODING="utf-8")
    assert plain.stdout.isascii()
    assert json.loads(plain.stdout) == json.loads(whole.stdout)
    assert json.loads(plain.stdout)["root"] == str(folder)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_stream_that_is_closed_breaks_nothing(project: Project, closed: str) -> None:
    done = _shell(f"{SHELL}list {closed}", cwd=project.root)
    assert (done.returncode, done.stderr) == (0, b"")


def test_question_without_standard_input_is_an_error_and_writes_nothing(project: Project) -> None:
    done = _shell(f"{SHELL}offboard dev.one <&-", cwd=project.root)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert project.stack_file("dev.one").is_file()
