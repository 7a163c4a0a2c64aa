"""`install.sh`: it says what it will place, places it, and takes it away again; what is not its own stays."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import InputError
from model.host_bundle import HostBundle
from operations.host.render import Layout, render, write
from tests.support.full_disk import full_disk

UNIT = "etc/systemd/system/ringwall-guard.service"


@pytest.fixture
def folder(bundles: list[HostBundle], tmp_path: Path) -> Path:
    write(tmp_path / "dev-1", render(bundles, Layout.systemd, {})["dev-1"])
    return tmp_path / "dev-1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "machine").mkdir()
    return tmp_path / "machine"


def install(folder: Path, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(folder / "install.sh"), "--root", str(root), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_dry_run_names_every_file_and_writes_none(folder: Path, root: Path) -> None:
    result = install(folder, root, "--dry-run")
    assert result.returncode == 0
    assert f"would place {root}/{UNIT}" in result.stdout.splitlines()
    assert content(root) == {}
    assert install(folder, root, "--dry-run", "--undo").returncode == 0


def test_what_was_placed_is_taken_away_and_what_stood_there_comes_back(folder: Path, root: Path) -> None:
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("mine\n")
    (root / "etc/ringwall").mkdir()
    (root / "etc/ringwall/guard.env").write_text("KEY=secret\n")
    before = content(root)
    assert f"replace {root}/{UNIT}" in install(folder, root).stdout
    assert (root / UNIT).read_bytes() == (folder / "root" / UNIT).read_bytes()
    assert f"in place {root}/{UNIT}" in install(folder, root).stdout
    assert install(folder, root, "--undo").returncode == 0
    assert content(root) == before


def test_undo_after_a_second_version_brings_back_what_stood_there_first(folder: Path, root: Path) -> None:
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("mine\n")
    install(folder, root)
    (folder / "root" / UNIT).write_text("# the next version\n")
    install(folder, root)
    assert (root / UNIT).read_text() == "# the next version\n"
    install(folder, root, "--undo")
    assert (root / UNIT).read_text() == "mine\n"


def test_undo_leaves_a_file_that_somebody_changed_and_says_so(folder: Path, root: Path) -> None:
    install(folder, root)
    (root / UNIT).write_text("changed\n")
    assert f"changed since, left alone: {root}/{UNIT}" in install(folder, root, "--undo").stdout
    assert (root / UNIT).read_text() == "changed\n"


def test_a_link_is_never_written_through(folder: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).symlink_to(tmp_path / "elsewhere")
    result = install(folder, root)
    assert (result.returncode, f"{root}/{UNIT} is a link" in result.stderr) == (1, True)
    assert (tmp_path / "elsewhere").read_text() == "untouched"


def test_an_unknown_option_and_a_missing_root_are_refused(folder: Path, root: Path) -> None:
    assert install(folder, root, "--undoo").returncode == 2
    assert install(folder, root / "none").returncode == 2


def test_files_that_lack_an_id_place_nothing(bundles: list[HostBundle], tmp_path: Path, root: Path) -> None:
    hosted = next(bundle for bundle in bundles if bundle.server == "hosted")
    unknown = hosted.files[0].model_copy(update={"content": "tunnel: ${hosted-edge-tunnel.id}\n"})
    files = render([hosted.model_copy(update={"files": (unknown,)})], Layout.systemd, {})["dev-2"]
    write(tmp_path / "dev-2", files)
    result = install(tmp_path / "dev-2", root)
    assert (result.returncode, content(root)) == (1, {})
    assert "lack hosted-edge-tunnel.id; run 'ringwall host render'" in result.stderr


def test_a_folder_that_cannot_be_written_to_is_said_with_the_way_out(bundles: list[HostBundle], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    files = render(bundles, Layout.systemd, {})["dev-1"]
    with pytest.raises(InputError, match=r"file/dev-1: cannot be written \(Not a directory\); name a folder"):
        write(tmp_path / "file" / "dev-1", files)
    assert (tmp_path / "file").read_text() == "mine"


def test_on_a_full_disk_every_file_of_a_host_is_as_it_was(bundles: list[HostBundle], tmp_path: Path) -> None:
    files = render(bundles, Layout.systemd, {})["dev-1"]
    write(tmp_path, files)
    before = content(tmp_path)
    longer = [replace(file, content=f"{file.content}# {'x' * 100}\n") for file in files]
    with full_disk(room=64), pytest.raises(InputError, match="cannot be written"):
        write(tmp_path, longer)
    assert content(tmp_path) == before
