"""What `status` says where the environment as deployed is not the file's: somebody edited it, or Ringwall changed."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from components.contract import difference
from model.project import load, open_project
from model.stacks import EnvironmentStack
from plan.offline import plan_stack
from tests.cli.test_state import write_checkpoint
from tests.support.command_line import ringwall
from tests.support.projects import write_project

THIS = metadata.version("ringwall")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def environment(root: Path) -> EnvironmentStack:
    loaded = load(open_project(root), "dev")
    assert isinstance(loaded, EnvironmentStack)
    return loaded


def deployed(root: Path, **changes: Any) -> dict[str, Any]:
    """The contract that the environment exports now; another digest stands for other defaults."""
    contract = plan_stack(open_project(root), environment(root)).outputs["contract"]
    assert isinstance(contract, dict)
    return {**contract, **changes}


def note(root: Path, contract: dict[str, Any]) -> str:
    write_checkpoint(root, "dev", contract=contract)
    done = ringwall("status", "--project", root, "--json")
    assert done.code == 0, done.err
    said = next(str(row["note"]) for row in json.loads(done.out)["stacks"] if row["stack"] == "dev")
    return said.partition(" --project")[0]


def edit(root: Path, before: str, after: str) -> None:
    file = open_project(root).stack_file("dev")
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def test_what_was_deployed_as_it_stands_there_needs_no_word(root: Path) -> None:
    assert note(root, deployed(root)) == ""


def test_other_defaults_of_another_version_are_named_with_it(root: Path) -> None:
    """Nobody edited the file, and nothing may say so."""
    said = note(root, deployed(root, digest="sha256:0", ringwall="0.9.0"))
    assert said == (
        f"as deployed it was made from the same Pulumi.dev.yaml by Ringwall 0.9.0, whose defaults are not those of {THIS}: "
        "run `ringwall up dev"
    )


def test_a_comment_is_no_edit(root: Path) -> None:
    contract = deployed(root, digest="sha256:0", ringwall="0.9.0")
    edit(root, "config:\n", "# a word\nconfig:\n")
    assert "the same Pulumi.dev.yaml by Ringwall 0.9.0" in note(root, contract)


def test_an_edited_file_is_named_whichever_version_deployed_it(root: Path) -> None:
    before = deployed(root)
    edit(root, "gateway_port: 8010", "gateway_port: 8011")
    for contract in (before, {**before, "ringwall": "0.9.0"}):
        assert note(root, contract) == "as deployed it differs from Pulumi.dev.yaml: run `ringwall up dev"


def test_what_an_older_version_deployed_may_be_either(root: Path) -> None:
    contract = deployed(root, digest="sha256:0")
    old = {name: value for name, value in contract.items() if name not in ("written", "ringwall")}
    assert difference(old, environment(root)) == (
        "differs from Pulumi.dev.yaml, or was made from it by an older Ringwall with other defaults"
    )
