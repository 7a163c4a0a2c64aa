"""`up --approve loosening` asks when something loosens or cannot be compared, and at no other time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import deploy
from operations.approval import files_of, reasons_to_ask, record
from tests.support.command_line import ringwall
from tests.support.engine_project import EngineProject

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_a_change_that_loosens_is_a_reason_and_one_that_tightens_is_none(engine_project: EngineProject) -> None:
    project, target = engine_project.project, engine_project.target

    def reasons(stack: str = "dev") -> list[str]:
        return reasons_to_ask(target, deploy.scope_of(project, stack), [], differs_at_gateway=False)

    first = reasons()
    assert "dev: new environment" in first
    runs = [engine_project.run(stack, "up") for stack in ("dev", "dev.one")]
    assert [run.error for run in runs] == [None, None]
    unknown = "what is deployed was not brought up with this folder, so it cannot be compared"
    assert reasons() == [f"dev: {unknown}", f"dev.one: {unknown}"]
    record(target, [files_of(project, stack) for stack in ("dev", "dev.one")], runs)
    assert reasons() == reasons("dev.one") == []

    file = project.stack_file("dev.one")
    original = file.read_text()
    change(file, "[list_tickets, get_ticket]", "[list_tickets]")
    assert reasons() == []
    file.write_text(original)
    change(file, "{agents: [ci]}", "{all: true}")
    # `check` refuses this very change; here it is what a reviewer reads.
    assert any("everyone admitted gains tool create_ticket" in line for line in reasons_of_files(engine_project))
    file.write_text(original)
    change(project.stack_file("dev"), "countries: [NO, SE]\n    identity", "countries: [NO, SE, US]\n    identity")
    assert any("US" in line for line in reasons())


def reasons_of_files(engine_project: EngineProject) -> list[str]:
    project = engine_project.project
    scope = deploy.scope_of(project, "dev", to_change=False)
    return reasons_to_ask(engine_project.target, scope, [], differs_at_gateway=False)


def test_a_deployment_from_elsewhere_or_by_another_ringwall_is_a_reason(engine_project: EngineProject) -> None:
    project, target = engine_project.project, engine_project.target
    run = engine_project.run("dev", "up")
    scope = deploy.scope_of(project, "dev.one", to_change=False)
    environment = deploy.Scope(project, scope.loaded.environment or scope.loaded, "dev")
    record(target, [files_of(project, "dev")], [run])
    file = project.root / ".ringwall" / "deployed" / "dev" / "deployed.json"
    kept = json.loads(file.read_text())
    for key, value, reason in (
        ("moment", "2020-01-01T00:00:00Z", "dev: it was deployed from somewhere else since, so it cannot be compared"),
        ("ringwall", "0.0.1", "dev: Ringwall 0.0.1 deployed it, so it cannot be compared"),
    ):
        file.write_text(json.dumps(kept | {key: value}))
        assert reasons_to_ask(target, environment, [], differs_at_gateway=False) == [reason]
    file.write_text(json.dumps(kept))
    assert reasons_to_ask(target, environment, [], differs_at_gateway=False) == []
    assert reasons_to_ask(target, environment, [], differs_at_gateway=True) == [
        "dev: the gateway is not as it was recorded, and this would change it"
    ]
    run.error = "failed"
    record(target, [files_of(project, "dev")], [run])
    assert not file.exists()


def test_yes_and_approve_together_are_refused_and_so_is_an_unknown_approval(engine_project: EngineProject) -> None:
    root = engine_project.project.root
    both = ringwall("up", "dev", "--yes", "--approve", "loosening", "--project", root)
    assert both.errors == ["--approve: --yes never asks, --approve asks about some changes; give one of them"]
    assert ringwall("up", "dev", "--approve", "all", "--project", root).code == 2
