"""Files are changed together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import InputError, RingwallError
from operations.project.write import FileChange, apply
from tests.support.command_line import snapshot


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    unchanged, blocked = tmp_path / "kept", tmp_path / "file" / "below"
    unchanged.write_bytes(b"as it was")
    (tmp_path / "file").write_bytes(b"not a folder")
    before = snapshot(tmp_path)
    changes = [
        FileChange(unchanged, b"as it was", b"new"),
        FileChange.new(tmp_path / "a" / "b", "x"),
        FileChange.new(blocked, "y"),
    ]
    with pytest.raises(RingwallError, match="nothing was changed"):
        apply(changes)
    assert snapshot(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "kept"]


def test_a_late_failure_undoes_what_was_written(tmp_path: Path) -> None:
    first, folder = tmp_path / "first", tmp_path / "folder"
    first.write_bytes(b"old")
    folder.mkdir()
    with pytest.raises(RingwallError, match="nothing was changed"):
        apply(
            [FileChange(first, b"old", b"new"), FileChange.new(tmp_path / "second", "x"), FileChange.new(folder, "y")]
        )
    assert snapshot(tmp_path) == {"first": b"old"}


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"somebody else's")
    with pytest.raises(InputError, match="changed while this command ran"):
        apply([FileChange(file, b"as read", b"new")])
    assert file.read_bytes() == b"somebody else's"


def test_a_replaced_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)
    apply([FileChange(link, b"old", b"new")])
    assert (file.read_bytes(), file.stat().st_mode & 0o777, link.is_symlink()) == (b"new", 0o640, True)
