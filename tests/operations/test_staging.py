"""A project is tried out with files that are not written yet, as it is: links and all, and nothing outside of the copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.errors import InputError
from model.project import Project, load_environment, open_project
from operations.project.staging import staged


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere") / "shared"


@pytest.mark.parametrize("linked", ["stacks/Pulumi.dev.yaml", "stacks", "Pulumi.yaml"])
def test_what_is_a_link_is_tried_out_under_its_own_name(project: Project, elsewhere: Path, linked: str) -> None:
    expected = load_environment(project, "dev")
    (project.root / linked).rename(elsewhere)
    (project.root / linked).symlink_to(elsewhere)
    with staged(project, {}) as copy:
        assert load_environment(copy, "dev").settings == expected.settings
        assert copy.stacks() == project.stacks()


def test_a_project_whose_stacks_are_outside_of_it_is_not_tried_out(project: Project, elsewhere: Path) -> None:
    project.stack_dir.rename(elsewhere)
    file, folder = project.root / "Pulumi.yaml", os.path.relpath(elsewhere, project.root)
    text = file.read_text(encoding="utf-8")
    assert text.count("stackConfigDir: stacks") == 1
    file.write_text(text.replace("stackConfigDir: stacks", f"stackConfigDir: {folder}"), encoding="utf-8")
    with pytest.raises(InputError, match="is outside the project folder"), staged(open_project(project.root), {}):
        pass
