"""What stands in a project's `.ringwall` is its owner's alone, whatever the umask is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.workspace import Target
from model.errors import InputError
from model.private_folder import make_private, refuse_shared
from model.project import open_project
from operations.project.new_project import refresh_schema
from sandbox.state import Store
from tests.support.command_line import ringwall
from tests.support.projects import write_project


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    try:
        yield request.param
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("umask")
def test_every_folder_that_is_made_is_private(tmp_path: Path) -> None:
    make_private(tmp_path / ".ringwall" / "sandbox" / "providers")
    make_private(tmp_path / ".ringwall" / "sandbox" / "providers")
    assert [mode(tmp_path / ".ringwall" / path) for path in (".", "sandbox", "sandbox/providers")] == [0o700] * 3


@pytest.mark.usefixtures("umask")
def test_what_the_product_makes_there_is_private(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    shutil.rmtree(root / ".ringwall")  # which the test's own project has
    refresh_schema(open_project(root))
    Store(root / ".ringwall" / "sandbox" / "providers")
    made = [path for path in (root / ".ringwall", *(root / ".ringwall").rglob("*")) if path.is_dir()]
    assert {mode(path) for path in made} == {0o700}


def test_a_folder_that_is_there_keeps_its_mode_and_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    folder = tmp_path / ".ringwall"
    folder.mkdir()
    folder.chmod(0o750)
    make_private(folder / "state")
    assert (mode(folder), mode(folder / "state")) == (0o750, 0o700)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private(tmp_path / "file")


@pytest.mark.parametrize(("permissions", "refused"), [(0o700, False), (0o775, False), (0o777, True), (0o702, True)])
def test_a_folder_that_every_account_may_write_to_is_refused(tmp_path: Path, permissions: int, refused: bool) -> None:
    """A group may be the user's own, as many systems have it, so it is not everybody."""
    root = write_project(tmp_path / "project")
    (root / ".ringwall" / "state").mkdir(parents=True, exist_ok=True)
    (root / ".ringwall").chmod(permissions)
    if not refused:
        refuse_shared(root)
        Target(open_project(root)).require_state()
        return
    with pytest.raises(InputError, match=r"run `chmod 700 .*/\.ringwall`"):
        Target(open_project(root)).require_state()
    done = ringwall("outputs", "dev", "--project", root)
    assert done.code == 2
    assert "chmod 700" in done.err
