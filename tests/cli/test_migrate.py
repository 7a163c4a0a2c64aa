from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import InputError
from model.project import Project
from model.stacks import ENVIRONMENT_KEY, MODEL_KEY, SERVER_KEY, ZONE_KEY
from operations.project.migrations import CURRENT, MIGRATIONS, migrated
from operations.project.write import rename_key, replace_scalar
from tests.support.command_line import ringwall, snapshot
from tests.support.projects import write_project

OLD = """\
# Ours. Keep: "quotes", blank lines…


config:
  ringwall:server:
    version:   1   # the first
    hst: dev-1          # the host

    hostname:  'one.example.com'   # é 😀

encryptionsalt: v1:abc
"""
HERE = ("config", SERVER_KEY)
TABLE = {SERVER_KEY: {1: lambda text: rename_key(text, (*HERE, "hst"), "host"), 2: lambda text: text}}


def test_a_migration_changes_the_named_bytes_and_no_other() -> None:
    text = migrated(OLD, Path("f.yaml"), SERVER_KEY, TABLE, {SERVER_KEY: 3})
    assert text == OLD.replace("version:   1 ", "version:   3 ").replace("hst: dev-1", "host: dev-1")


def test_windows_line_ends_stay() -> None:
    old = OLD.replace("\n", "\r\n")
    text = migrated(old, Path("f.yaml"), SERVER_KEY, TABLE, {SERVER_KEY: 3})
    assert text == old.replace("version:   1 ", "version:   3 ").replace("hst: dev-1", "host: dev-1")


def test_a_current_manifest_is_left_alone() -> None:
    assert migrated(OLD, Path("f.yaml"), SERVER_KEY, TABLE, {SERVER_KEY: 1}) == OLD


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (
            "    version: 9",
            "f.yaml:6: config.ringwall:server.version: version 9 is newer than this Ringwall knows (1); ",
        ),
        ('    version: "1"', "config.ringwall:server.version: must be a whole number from 1; write it without quotes"),
        ("    version: 0", "must be a whole number from 1"),
        ("    other: 1", "config.ringwall:server.version: the manifest has no version; add version: 1"),
    ],
)
def test_a_version_nobody_knows_is_an_error_with_its_place(version: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        migrated(OLD.replace("    version:   1   # the first", version), Path("f.yaml"), SERVER_KEY)
    assert said in str(caught.value)


def test_a_gap_in_the_way_is_an_error() -> None:
    with pytest.raises(InputError, match="there is no way from version 1"):
        migrated(OLD, Path("f.yaml"), SERVER_KEY, {SERVER_KEY: {}}, {SERVER_KEY: 2})


def test_every_kind_of_file_has_a_table() -> None:
    assert set(MIGRATIONS) == {ENVIRONMENT_KEY, SERVER_KEY, MODEL_KEY, ZONE_KEY, "tool lock"}


def test_a_value_inside_a_list_can_be_replaced() -> None:
    text = "a:\n  - x: 'old'  # one\n  - y\n"
    assert replace_scalar(text, ("a", 0, "x"), '"new"') == 'a:\n  - x: "new"  # one\n  - y\n'
    with pytest.raises(InputError, match="there is no such key"):
        replace_scalar(text, ("a", 5), "z")
    with pytest.raises(InputError, match="is not a single value"):
        replace_scalar(text, ("a",), "z")


def test_an_up_to_date_project_is_not_touched(project: Project) -> None:
    before = snapshot(project.root)
    done = ringwall("migrate", "--project", project.root)
    assert (done.code, done.out) == (0, "every file is in its current version\n")
    assert snapshot(project.root) == before


def test_one_unknown_version_stops_everything(project: Project) -> None:
    for stack in ("dev.one", "dev"):
        file = project.stack_file(stack)
        file.write_text(file.read_text().replace("version: 1", "version: 7"))
    before = snapshot(project.root)
    done = ringwall("migrate", "--project", project.root)
    assert (done.code, len(done.errors)) == (2, 2)
    assert snapshot(project.root) == before


def test_a_result_that_the_model_would_refuse_is_not_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models know version 1 only, so a step to version 2 is such a result."""
    monkeypatch.setattr("operations.project.migrations.MIGRATIONS", {**MIGRATIONS, SERVER_KEY: {1: lambda text: text}})
    monkeypatch.setattr("operations.project.migrations.CURRENT", {**CURRENT, SERVER_KEY: 2})
    before = snapshot(project.root)
    done = ringwall("migrate", "--project", project.root)
    assert (done.code, len(done.errors)) == (2, 3)
    places = sorted(line.partition(":")[0] for line in done.errors)
    assert places == [str(project.stack_file(f"dev.{name}")) for name in ("external", "hosted", "one")]
    assert snapshot(project.root) == before


def test_a_program_that_names_the_former_module_is_rewritten(project: Project) -> None:
    program = project.root / "stacks" / "__main__.py"
    current = program.read_text()
    program.write_text("# Ours.\n" + current.replace("plan.program", "components.program"))
    assert ringwall("migrate", "--check", "--project", project.root).code == 3
    done = ringwall("migrate", "--project", project.root)
    assert (done.code, done.out) == (0, f"wrote {program}\n")
    assert program.read_text() == "# Ours.\n" + current


def test_a_schema_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    (root / ".ringwall").mkdir(exist_ok=True)
    (root / ".ringwall/stack.schema.json").symlink_to("/dev/full")
    done = ringwall("migrate", "--project", root)
    assert done.code == 1
    assert done.errors == [
        f"{root}/.ringwall/stack.schema.json: cannot be written (is a device, not a file); "
        "make room, or correct who may write there"
    ]
