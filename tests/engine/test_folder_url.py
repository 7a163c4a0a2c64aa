"""A project in a folder with any name has its state there, or is told that Pulumi would open another."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.folder_url import REMEDY
from engine.workspace import Target
from model.errors import InputError
from model.project import open_project
from tests.support.command_line import flags, ringwall
from tests.support.projects import write_project

OPENED = ("plain", "a b", "ü", "--x", "$x `i` 'q' \"d\"", "c:d", "[z]", "back\\slash", "a&b;c")
#: By each, the engine opens another folder or asks its service: seen with Pulumi 3.256.
REFUSED = {"a#b": "#", "p%41": "%", "q?x": "?", "n\nl": "U+000A", "t\tb": "U+0009"}
#: As a name in Latin-1 is read. To Pulumi's settings it can not even be written.
REFUSED["caf\udce9"] = "the byte E9, which is no UTF-8"


def target(root: Path, name: str) -> Target:
    (root / "made").mkdir()
    project = write_project(root / "made")
    text = (project / "Pulumi.yaml").read_text(encoding="utf-8").partition("backend:")[0]
    (project / "Pulumi.yaml").write_text(f"{text}backend:\n  url: file://./state\n", encoding="utf-8")
    project.rename(root / name)
    return Target(open_project(root / name))


@pytest.mark.parametrize("name", OPENED)
def test_the_state_of_a_project_is_in_its_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    place = target(tmp_path, name)
    assert place.backend == f"file://{place.project.root.resolve()}/state"
    assert place.state_folder == place.project.root.resolve() / "state"


@pytest.mark.parametrize(("name", "char"), REFUSED.items(), ids=str)
def test_a_path_that_pulumi_takes_for_another_is_refused(tmp_path: Path, name: str, char: str) -> None:
    place = target(tmp_path, name)
    with pytest.raises(InputError) as refused:
        _ = place.backend
    assert refused.value.problem == f"its path holds {char}, with which Pulumi opens no state"
    assert refused.value.file == str(place.project.root.resolve() / "state")
    folder = tmp_path / name / "new"
    folder.mkdir()
    done = ringwall("init", "dev", "--project", folder, *flags())
    assert done.code == 2
    assert f"holds {char}, with which Pulumi opens no state; name {REMEDY}" in done.err
    assert not list(folder.iterdir())
