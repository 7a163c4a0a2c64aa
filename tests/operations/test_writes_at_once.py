"""Of commands that write the same file at once one does, and each of the rest says so; nothing is lost."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from model.errors import InputError
from operations.project import write
from operations.project.write import FileChange, apply

WRITERS = 8


def write_all(file: Path, before: bytes) -> list[str]:
    """What became of each of several writers that begin together: the text of the one that wrote, or its refusal."""
    start, outcomes = threading.Barrier(WRITERS), list[str]()

    def change(text: str) -> None:
        start.wait()
        try:
            apply([FileChange(file, before, text.encode())])
        except InputError as error:
            outcomes.append(error.problem)
        else:
            outcomes.append(text)

    writers = [threading.Thread(target=change, args=(f"writer {number}",)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return outcomes


def test_of_writers_of_one_file_at_once_one_writes_and_the_rest_are_told(tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    for number in range(20):
        before = f"round {number}".encode()
        file.write_bytes(before)
        outcomes = write_all(file, before)
        assert sorted(outcomes) == sorted([file.read_text(), *["changed while this command ran"] * (WRITERS - 1)])
        assert list(tmp_path.iterdir()) == [file]


def test_a_writer_that_was_stopped_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_PATIENCE", 0.05)
    file = tmp_path / "stack.yaml"
    stopped = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        apply([FileChange.new(file, "closed")])
    finally:
        os.close(stopped)
    assert file.read_text() == "closed"
