"""A change of files that cannot be made changes nothing, whatever the disk says, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from model.errors import RingwallError
from operations.project.write import FileChange, apply
from tests.support.full_disk import fill, full_disk


def tree(root: Path) -> dict[str, str | None]:
    """Every file below a folder with its text; None for a folder."""
    return {str(path.relative_to(root)): path.read_text() if path.is_file() else None for path in root.rglob("*")}


@pytest.mark.parametrize("room", [0, 3])
def test_a_full_disk_in_the_middle_of_a_file_leaves_nothing_behind(tmp_path: Path, room: int) -> None:
    old = tmp_path / "old.yaml"
    old.write_text("as it was")
    before = tree(tmp_path)
    changes = [FileChange(old, b"as it was", b"replaced"), FileChange.new(tmp_path / "stacks" / "new.yaml", "new file")]
    with full_disk(room), pytest.raises(RingwallError, match=r"/old\.yaml: cannot be written .*; nothing was changed$"):
        apply(changes)
    assert tree(tmp_path) == before


def test_what_was_replaced_is_put_back_on_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced, led, removed = tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"
    for file, link in ((replaced, None), (tmp_path / "shared.yaml", led), (tmp_path / "other.yaml", removed)):
        file.write_text(f"{file.name} as it was")
        if link is not None:
            link.symlink_to(file.name)
    before = tree(tmp_path)

    def no_room(*_: object) -> None:
        fill()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", no_room)
    changes = [
        FileChange(replaced, replaced.read_bytes(), b"other"),
        FileChange(led, led.read_bytes(), b"other"),
        FileChange.removal(removed),
        FileChange.new(tmp_path / "d.yaml", "new file"),
    ]
    with full_disk(1_000_000), pytest.raises(RingwallError, match="nothing was changed"):
        apply(changes)
    assert tree(tmp_path) == before
    assert (led.readlink(), removed.readlink()) == (Path("shared.yaml"), Path("other.yaml"))


def test_what_cannot_be_put_back_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for file in (first, second):
        file.write_text("as it was")
    rename, renamed = Path.replace, list[Path]()

    def failing(source: Path, target: Path) -> None:
        if renamed:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(source), None, str(target))
        renamed.append(rename(source, target))

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(
        RingwallError, match=r"a\.yaml \(what was in it is in .*\.tmp\) could not be put back"
    ) as refused:
        apply([FileChange(first, b"as it was", b"1"), FileChange(second, b"as it was", b"2")])
    (copy,) = (path for path in tmp_path.iterdir() if path not in (first, second))
    assert str(copy) in str(refused.value)
    assert (copy.read_text(), first.read_text(), second.read_text()) == ("as it was", "1", "as it was")


def test_a_linked_file_is_replaced_where_it_is_and_the_link_stays(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("other file system")
    shared, link = elsewhere / "shared.yaml", tmp_path / "Pulumi.dev.yaml"
    shared.write_text("as it was")
    link.symlink_to(shared)
    rename = os.replace

    def within_one_file_system(source: Path, target: Path) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        rename(source, target)

    monkeypatch.setattr(Path, "replace", within_one_file_system)
    apply([FileChange(link, b"as it was", b"replaced")])
    assert (link.readlink(), shared.read_text()) == (shared, "replaced")
    assert tree(elsewhere) == {"shared.yaml": "replaced"}


@pytest.mark.parametrize("said", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_is_made_where_the_file_system_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(said, os.strerror(said), str(source), None, str(target))

    monkeypatch.setattr(os, "link", no_links)
    file = tmp_path / "new.yaml"
    apply([FileChange.new(file, "new file")])
    assert tree(tmp_path) == {"new.yaml": "new file"}
    with pytest.raises(RingwallError, match="is there already"):
        apply([FileChange.new(file, "another")])
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(RingwallError, match=r"new\.yaml: cannot be written \(File exists\); nothing was changed"):
        apply([FileChange.new(file, "another")])
    assert os.listdir(tmp_path) == ["new.yaml"]
