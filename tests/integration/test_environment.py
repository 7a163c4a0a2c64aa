"""An environment with three servers on the real engine, from nothing to nothing."""

from __future__ import annotations

import pytest

from engine import deploy
from engine.run import Run
from engine.state import live_resources
from tests.support.engine_project import EngineProject
from tests.support.projects import server_text, write_server

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def ok(runs: list[Run]) -> list[Run]:
    assert [run.error for run in runs] == [None] * len(runs)
    return runs


def changes(runs: list[Run]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(run.stack, c.operation, c.name, c.details) for run in runs for c in run.steps.changed]


def test_three_servers_come_up_stay_change_as_edited_and_leave_nothing(engine_project: EngineProject) -> None:
    project, target = engine_project.project, engine_project.target
    for number, name in enumerate(("two", "three"), start=1):
        write_server(project.root, f"dev.{name}", server_text(name, number))
    scope = deploy.scope_of(project, "dev")
    assert scope.stacks == ("dev", "dev.one", "dev.three", "dev.two")

    previews = ok(deploy.preview(target, scope))
    assert [run.offline for run in previews] == [False, True, True, True]
    # The total that is shown before a run has begun is what it comes to.
    assert [len(scope.planned[run.stack]) for run in previews] == [run.steps.counts["create"] for run in previews]
    runs = ok(deploy.bring_up(target, scope, previews))
    assert {c.operation for run in runs for c in run.steps.changed} == {"create"}
    # What the offline plan promised for a server is what the engine made.
    assert [run.steps.counts["create"] for run in previews[1:]] == [run.steps.counts["create"] for run in runs[1:]]

    second_preview = ok(deploy.preview(target, scope))
    assert [run.offline for run in second_preview] == [False] * 4
    assert changes(ok(deploy.bring_up(target, scope, second_preview))) == []

    file = project.stack_file("dev.two")
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("    guard_port:", "    limits:\n      requests_per_minute: 30\n    guard_port:"), "utf-8"
    )
    edited = ok(deploy.preview(target, deploy.scope_of(project, "dev")))
    assert sorted(changes(edited)) == [
        ("dev.two", "update", "two-gateway-principal-rate", ("configJson.minute: 240 → 120",)),
        ("dev.two", "update", "two-guard", ("limits.requests_per_minute: 60 → 30",)),
    ]

    for stack in ("dev.one", "dev.two", "dev.three", "dev"):
        ok([deploy.destroy(target, stack)])
    assert [live_resources(project, stack, target) for stack in scope.stacks] == [0, 0, 0, 0]
    assert engine_project.sandbox.resources() == []


def test_an_environment_with_a_live_server_is_not_destroyed(engine_project: EngineProject) -> None:
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    with pytest.raises(
        Exception, match=r"environment dev has a live stack: dev\.one .* `ringwall destroy dev\.one` first"
    ):
        deploy.destroy(engine_project.target, "dev")


def test_a_policy_the_environment_drops_is_deleted_after_its_servers_moved_on(engine_project: EngineProject) -> None:
    project, target = engine_project.project, engine_project.target
    scope = deploy.scope_of(project, "dev")
    ok(deploy.bring_up(target, scope, ok(deploy.preview(target, scope))))
    file = project.stack_file("dev.one")
    file.write_text(file.read_text(encoding="utf-8").replace("posture: [encrypted]", "posture: []"), "utf-8")
    scope = deploy.scope_of(project, "dev")
    runs = ok(deploy.bring_up(target, scope, ok(deploy.preview(target, scope))))
    assert [run.stack for run in runs] == ["dev", "dev.one", "dev"]
    assert {c.operation for c in runs[0].steps.changed} == {"create"}
    assert {c.operation for c in runs[2].steps.changed} == {"delete"}
