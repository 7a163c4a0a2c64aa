"""`ringwall up --changed` does what a full `up` does, and asks no stack whose plan is the one that was applied."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox, faults
from tests.support.projects import server_text, write_project, write_server

pytestmark = pytest.mark.engine
COMMAND = (str(Path(sys.executable).with_name("ringwall")), "up", "dev", "--yes", "--json")


def up(root: Path, *options: str, code: int = 0) -> tuple[dict[str, list[str]], list[str], str]:
    """What an `up` of dev changed by stack, which stacks it asked, and what it said."""
    done = subprocess.run(
        [*COMMAND, *options, "--sandbox", "--project", str(root)],
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    runs = json.JSONDecoder().raw_decode(done.stdout)[0]["runs"]  # an error is a document of its own, after it
    changes: dict[str, list[str]] = {}
    for run in runs:
        changes.setdefault(run["stack"], []).extend(
            sorted(f"{change['operation']} {change['name']}" for change in run["changes"])
        )
    return {stack: found for stack, found in changes.items() if found}, sorted(changes), done.stderr


def edit(root: Path, file: str, old: str, new: str) -> None:
    path = root / "stacks" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def world(root: Path) -> list[Any]:
    """What the stand-in services hold, by what is not chosen at random."""
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        return sorted((record.type, record.name) for record in sandbox.resources())


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("changed") / "project")
    write_server(root, "dev.two", server_text("two", 1))
    up(root)
    return root


def copy_of(deployed: Path, folder: Path) -> Path:
    return Path(shutil.copytree(deployed, folder))


def test_an_environment_as_it_was_left_asks_no_server(deployed: Path) -> None:
    changes, stacks, said = up(deployed, "--changed")
    assert (changes, stacks) == ({}, ["dev"])
    assert "2 stacks not asked: nothing in the plan changed since the last `up` from this folder" in said


def _grants(root: Path) -> None:
    edit(root, "Pulumi.dev.two.yaml", "tools: [list_tickets, get_ticket]", "tools: [list_tickets]")


def _people(root: Path) -> None:
    edit(root, "Pulumi.dev.two.yaml", "groups: [engineers]", "groups: [engineers]\n        emails: [bob@example.com]")


def _country(root: Path) -> None:
    edit(root, "Pulumi.dev.yaml", "    countries: [NO, SE]\n    identity", "    countries: [NO, SE, DK]\n    identity")


def _agent(root: Path) -> None:
    edit(root, "Pulumi.dev.yaml", "addresses: [192.0.2.0/24]", "addresses: [198.51.100.0/24]")


def _lock(root: Path) -> None:
    edit(root, "dev.one.lock.yaml", 'risk: "execute"', 'risk: "write"')


def _limit(root: Path) -> None:
    edit(
        root,
        "Pulumi.dev.one.yaml",
        "    posture: [encrypted]",
        "    posture: [encrypted]\n    limits:\n      requests_per_minute: 30",
    )


def _comment(root: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "# kept", "# kept by us")


def _new(root: Path) -> None:
    write_server(root, "dev.three", server_text("three", 2))


CHANGES: list[tuple[Callable[[Path], None], set[str]]] = [
    (_people, {"dev", "dev.two"}),
    (_country, {"dev", "dev.one", "dev.two"}),
    (_agent, {"dev"}),
    (_lock, {"dev", "dev.one"}),
    (_limit, {"dev", "dev.one"}),
    (_comment, {"dev"}),
    (_new, {"dev", "dev.three"}),
]


def equal_to_all(deployed: Path, folder: Path, change: Callable[[Path], None], asked: set[str]) -> None:
    whole, part = copy_of(deployed, folder / "whole"), copy_of(deployed, folder / "part")
    change(whole)
    change(part)
    full, _, _ = up(whole)
    changes, stacks, _ = up(part, "--changed")
    assert changes == full
    assert set(stacks) == asked
    assert world(part) == world(whole)


def test_changed_grants_are_brought_up_as_by_a_full_up(deployed: Path, tmp_path: Path) -> None:
    equal_to_all(deployed, tmp_path, _grants, {"dev", "dev.two"})


@pytest.mark.rare
@pytest.mark.parametrize(("change", "asked"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_kind_of_change_is_brought_up_as_by_a_full_up(
    deployed: Path, tmp_path: Path, change: Callable[[Path], None], asked: set[str]
) -> None:
    equal_to_all(deployed, tmp_path, change, asked)


@pytest.mark.rare
def test_a_server_whose_up_failed_is_asked_although_its_file_is_put_back(deployed: Path, tmp_path: Path) -> None:
    root = copy_of(deployed, tmp_path / "failed")
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    before = file.read_text(encoding="utf-8")
    _limit(root)
    providers = root / ".ringwall" / "sandbox" / "providers"
    faults.write(providers, [Fault("update", "kong:*", nth=1, message="500 refused", after_effect=True)])
    up(root, "--changed", code=5)
    faults.write(providers, [])
    file.write_text(before, encoding="utf-8")
    _, stacks, _ = up(root, "--changed")
    assert stacks == ["dev", "dev.one"]
