"""A state that cannot be written refuses a run before it begins, and one that was cut off is put back by one command."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import state_folder
from model.project import Project, open_project
from tests.support.command_line import Result, ringwall, snapshot
from tests.support.full_disk import full_disk
from tests.support.projects import write_project

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = open_project(write_project(tmp_path_factory.mktemp("trouble") / "project"))
    assert run(project, "up", "dev", "--yes").code == 0
    return project


def run(project: Project, *words: str) -> Result:
    return ringwall(*words, "--sandbox", "--project", project.root)


def stacks(project: Project) -> Path:
    return project.root / ".ringwall" / "sandbox" / "state" / ".pulumi" / "stacks" / "ringwall"


def test_a_run_that_the_disk_has_no_room_for_is_not_begun(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_folder, "SPARE", 2**60)
    before = snapshot(stacks(project))
    done = run(project, "destroy", "dev.one", "--yes")
    assert done.code == 5
    (error,) = done.errors
    assert error.startswith(f"dev.one: {project.root / '.ringwall' / 'sandbox' / 'state'}: ")
    assert "MiB are free and a run of dev.one may write " in error
    assert error.endswith("so nothing was begun: a full disk cuts the recorded state off; make room there")
    assert snapshot(stacks(project)) == before


def test_a_state_that_a_full_disk_cut_off_is_put_back_by_repair(project: Project) -> None:
    checkpoint = stacks(project) / "dev.one.json"
    # As the engine leaves them: it writes both anew with every step (see engine.repair.copies).
    for file in (checkpoint, stacks(project) / "dev.one.json.bak"):
        file.write_bytes(checkpoint.read_bytes()[:60_000])
    refused = run(project, "up", "dev.one", "--yes")
    assert refused.code == 5
    (error,) = refused.errors
    command = f"ringwall repair dev.one --sandbox --project {project.root}"
    assert error.startswith(f"{checkpoint}: the recorded state cannot be read (")
    assert error.endswith(f"run `{command}`, which puts back the newest whole copy")

    looked = run(project, "repair", "dev.one", "--dry-run", "--json")
    assert (looked.code, looked.json["restored"]) == (3, ["dev.one"])
    assert "backups/ringwall/dev.one/dev.one." in looked.err
    before = snapshot(stacks(project))
    with full_disk(1000):
        still_full = run(project, "repair", "dev.one", "--yes")
    assert (still_full.code, len(still_full.errors)) == (5, 1)
    assert still_full.errors[0].startswith(
        f"{checkpoint}: cannot be written (File too large); nothing was changed; make "
    )
    assert snapshot(stacks(project)) == before
    mended = run(project, "repair", "dev.one", "--yes")
    assert mended.code == 0, mended.err
    assert checkpoint.with_name("dev.one.json.cut-off").is_file()
    assert "dev.one: put back; run `ringwall up dev.one" in mended.err
    done = run(project, "up", "dev.one", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json["runs"][0]["changes"] == []


def test_a_cut_off_state_without_a_whole_copy_says_so(project: Project) -> None:
    folder = stacks(project)
    copies = folder.parents[1].glob("backups/ringwall/dev.one/*.json")
    for file in [folder / "dev.one.json", folder / "dev.one.json.bak", *copies]:
        file.write_text("{", encoding="utf-8")
    done = run(project, "repair", "dev.one", "--yes")
    assert done.code == 5
    assert "the recorded state cannot be read, and no copy of it can; restore it from your own backup" in done.errors[0]
