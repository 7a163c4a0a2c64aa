"""`make test` names a test that failed once and passed alone, and ends with an error for every other failure."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ONCE = """
from pathlib import Path

def test_that_fails_once(mark=Path(__file__).with_name("mark")):
    if not mark.exists():
        mark.touch()
        raise AssertionError("the first time")
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A project of its own: the runner and an empty folder of tests."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n", encoding="utf-8")
    shutil.copy(Path(__file__).with_name("suite.py"), tmp_path / "tests" / "suite.py")
    return tmp_path


def run(suite: Path, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (suite / "tests" / f"{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "tests/suite.py", "-n", "0", "-p", "no:anyio", "-p", "no:hypothesispytest"]
    return subprocess.run(command, cwd=suite, capture_output=True, text=True, check=False)


def test_test_that_passes_alone_is_named_as_unsteady(suite: Path) -> None:
    ended = run(suite, test_once=ONCE, test_good="def test_good(): pass\n")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.endswith("passed alone:\n  tests/test_once.py::test_that_fails_once\n")
    assert "the first time" in ended.stdout


def test_test_that_fails_alone_too_is_an_error(suite: Path) -> None:
    ended = run(suite, test_bad="def test_bad(): assert False\n", test_once=ONCE)
    assert ended.returncode == 1
    assert "UNSTEADY" not in ended.stdout


def test_many_failures_are_not_tried_again(suite: Path) -> None:
    ended = run(suite, **{f"test_{number}": ONCE.replace('"mark"', f'"{number}"') for number in range(4)})
    assert ended.returncode == 1
    assert "run alone" not in ended.stdout


def test_file_that_cannot_be_read_is_an_error(suite: Path) -> None:
    ended = run(suite, test_broken="def test_broken(:\n", test_once=ONCE)
    assert ended.returncode not in (0, 5)
    assert "UNSTEADY" not in ended.stdout
