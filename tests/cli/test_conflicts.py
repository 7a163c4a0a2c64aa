"""What is in the way is named by kind, name and id, with the command that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.events import FailedOperation
from engine.repair.conflicts import explained
from engine.repair.kinds import SHAPES, Kind
from engine.workspace import Target
from model.project import Project
from sandbox.readings import reader
from sandbox.state import Record, Store

TAGS = ["ringwall", "ringwall-environment-dev", "ringwall-server-one"]


@pytest.fixture
def target(project: Project) -> Target:
    home = project.root / ".ringwall" / "sandbox"
    home.mkdir(parents=True)
    return Target(project, {}, home, reader(home / "providers"))


def put(home: Path | None, kind: Kind, id: str, **outputs: Any) -> None:
    assert home is not None
    with Store(home / "providers").transaction() as world:
        world.records.append(Record(id, SHAPES[kind].token, "x", outputs))


def conflict(kind: Kind, operation: str, text: str, id: str = "", **inputs: Any) -> FailedOperation:
    return FailedOperation(operation, SHAPES[kind].token, "one-part", id, inputs, text)


def test_an_entity_of_ours_that_no_stack_records_is_named_with_its_import(target: Target) -> None:
    put(target.sandbox_folder, Kind.service, "s-1", name="dev-one-mcp", tags=TAGS)
    line = explained(
        target, "dev.one", conflict(Kind.service, "create", "UNIQUE violation", name="dev-one-mcp", tags=TAGS)
    )
    assert line == (
        "service dev-one-mcp: Kong has one already (s-1), which this stack does not record; run "
        "`ringwall import dev.one service s-1 --name one-part` to take it over, or delete it there [UNIQUE violation]"
    )


def test_an_entity_of_somebody_else_is_told_to_be_one(target: Target) -> None:
    put(target.sandbox_folder, Kind.service, "s-1", name="dev-one-mcp", tags=["theirs"])
    line = explained(
        target, "dev.one", conflict(Kind.service, "create", "UNIQUE violation", name="dev-one-mcp", tags=TAGS)
    )
    assert "Kong has one already (s-1), without this stack's tags or settings, which" in line


def test_an_object_that_cannot_be_found_is_named_all_the_same(target: Target) -> None:
    line = explained(target, "dev.one", conflict(Kind.tunnel, "create", "1013", name="dev-one", accountId="a"))
    assert "tunnel dev-one: Cloudflare has one already, which" in line
    assert "`ringwall import dev.one tunnel ID --name one-part`" in line


def test_an_account_that_cannot_be_asked_is_no_second_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)
    one = conflict(Kind.tunnel, "create", "1013", name="dev-one", accountId="a")
    assert "tunnel dev-one: Cloudflare has one already, which" in explained(Target(project), "dev.one", one)


def test_a_policy_that_is_still_used_names_the_application(target: Target) -> None:
    policies = [{"id": "p-1", "precedence": 1}]
    put(target.sandbox_folder, Kind.application, "a-1", name="dev-one", policies=policies)
    put(target.sandbox_folder, Kind.application, "a-2", name="dev-two", policies=[])
    line = explained(
        target, "dev", conflict(Kind.policy, "delete", "409 Conflict", "p-1", name="dev-people", accountId="a")
    )
    assert line == (
        "policy dev-people (p-1): Cloudflare does not delete it while it is used by application dev-one (a-1); destroy the "
        "server that uses it, or, where no stack records the user, delete that there [409 Conflict]"
    )
