"""What a command writes where the user says is whole or not there, and streams are written to, never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.errors import InputError
from operations.output_file import write_output
from tests.support.full_disk import full_disk


def test_an_output_is_made_with_its_folders_and_replaced_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "report.html"
    write_output(file, "first")
    file.chmod(0o640)
    write_output(file, "second")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("second", 0o640)
    assert os.listdir(file.parent) == ["report.html"]


def test_a_full_disk_leaves_the_last_output_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_output(file, "first")
    with full_disk(3), pytest.raises(InputError, match="cannot be written"):
        write_output(file, "second")
    assert (file.read_text(), os.listdir(tmp_path)) == ("first", ["report.html"])


def test_an_output_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "latest.html").symlink_to("report.html")
    for text in ("first", "second"):
        write_output(tmp_path / "latest.html", text)
    assert (tmp_path / "latest.html").is_symlink()
    assert (tmp_path / "report.html").read_text() == "second"


def test_what_is_open_already_is_written_to() -> None:
    """As a shell's >(command) and /dev/stdout are."""
    reading, writing = os.pipe()
    try:
        write_output(Path(f"/dev/fd/{writing}"), "the report")
        assert os.read(reading, 100) == b"the report"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_pipe_and_a_device_stay_what_they_are(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "nowhere"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_output(pipe, "the report")
        assert os.read(reading, 100) == b"the report"
    finally:
        os.close(reading)
    write_output(link, "the report")
    assert pipe.is_fifo()
    assert link.is_char_device()
