"""A model route without a guard in the commands around it: its host, an incident, questions and the doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.origin.host import build_host_bundle
from engine.workspace import Target
from model.errors import InputError
from model.host_bundle import HostBundle
from model.project import Project, load, load_environment, open_project
from model.stacks import EnvironmentStack, ModelStack
from operations.access.callers import callers_of
from operations.access.explain import Explanation, explain
from operations.access.question import AccessQuestion
from operations.access.visitor import visitor_of
from operations.doctor.guard import check, references
from operations.drift.comparison import DriftComparison
from operations.editions import enforced
from operations.host.machine import Machine
from operations.host.render import Layout, render
from operations.incident.edits import planned_steps
from operations.incident.lockdown import Place
from operations.incident.revoke import planned_steps as revocation_steps
from operations.incident.revoke import read_principal
from operations.model_route.overview import overview
from tests.support.model_routes import GUARDLESS, guardless_project

LOCKED = GUARDLESS + '    lockdown: {since: "2026-11-01T00:00:00Z", reason: a test}\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return open_project(guardless_project(tmp_path_factory.mktemp("p")))


@pytest.fixture(scope="module")
def environment(project: Project) -> EnvironmentStack:
    return load_environment(project, "dev")


@pytest.fixture(scope="module")
def bundles(environment: EnvironmentStack) -> list[HostBundle]:
    server = build_host_bundle(environment.servers["one"], "tunnel-1", "{}\n", None)
    return [build_host_bundle(environment.models["models"], "tunnel-1", None, None), server]


def test_its_host_has_nothing_of_a_guard_but_everything_of_its_gateway(bundles: list[HostBundle]) -> None:
    bundle = bundles[0]
    assert (bundle.guard, bundle.provided, bundle.origin) == (None, (), None)
    assert {listener.process for listener in bundle.listeners} == {"kong"}
    assert {secret.reader for secret in bundle.secrets} == {"cloudflared", "kong"}
    assert {"LAKERA_KEY", "OPENAI_KEY", "ANTHROPIC_KEY"} <= {secret.reference.env for secret in bundle.secrets}
    assert "guard" not in {item.process for item in bundle.egress}
    assert "https://api.lakera.ai/v2/guard" in {item.destination for item in bundle.egress}


@pytest.mark.parametrize("layout", Layout)
def test_a_host_of_its_own_runs_no_guard(layout: Layout, bundles: list[HostBundle]) -> None:
    names = {
        Layout.systemd: (),
        Layout.compose: ("kong", "cloudflared", "pause"),
        Layout.kubernetes: ("kong", "cloudflared"),
    }
    images = {name: f"example.com/{name}@sha256:" + "0" * 64 for name in names[layout]}
    (placed,) = render(bundles[:1], layout, images).values()
    files = {file.path: file.content for file in placed}
    assert not [path for path in files if "ringwall-guard" in path]
    for path, text in files.items():
        assert "guard run" not in text, path
        assert "guard.bundle" not in text, path


def test_beside_a_server_the_guard_is_told_not_to_wait_for_its_bundle(bundles: list[HostBundle]) -> None:
    machine = Machine.of(bundles)
    assert [member.stack for member in machine.guarded] == ["dev.one"]
    (placed,) = render(bundles, Layout.systemd, {}).values()
    paths = {file.path for file in placed}
    assert "root/etc/ringwall/dev.models/no-guard" in paths
    assert "root/etc/ringwall/dev.one/no-guard" not in paths
    assert [path for path in paths if path.endswith("/ringwall-guard.service")]


def ask(root: Path, model: str, who: str = "person:ada@example.com") -> Explanation:
    stack = load(open_project(root), "dev.models")
    assert isinstance(stack, ModelStack)
    return explain(stack, visitor_of(who, stack.settings), AccessQuestion("model", model, None))


def refusals(explanation: Explanation) -> list[tuple[str, str]]:
    return [(item.ring, item.text) for item in explanation.answers if item.effect == "refuses"]


def test_explain_names_what_kong_asks_and_what_is_lost(project: Project) -> None:
    explanation = ask(project.root, "small")
    assert explanation.allowed
    answers: dict[tuple[str, str], list[str]] = {}
    for item in explanation.answers:
        answers.setdefault((item.ring, item.effect), []).append(item.text)
    assert "grant 1 gives model small to everyone admitted" in answers[("gateway", "passes")]
    assert "refuses: above 30 requests a minute of one caller" in answers[("gateway", "note")]
    assert any("Kong asks Lakera Guard" in text for text in answers[("gateway", "depends")])
    assert any("overshoot" in text for text in answers[("guard", "note")])
    assert answers[("origin", "passes")] == ["the prompt goes to openai/gpt-4o-mini at https://api.openai.com:443"]


def test_explain_refuses_a_model_that_nobody_is_granted_and_every_model_of_a_closed_route(tmp_path: Path) -> None:
    root = guardless_project(tmp_path / "open")
    assert refusals(ask(root, "unused")) == [("gateway", "no grant gives model unused to anybody")]
    assert refusals(ask(root, "smal")) == [("gateway", "dev.models has no model smal, so nobody may use it")]
    closed = refusals(ask(guardless_project(tmp_path / "shut", LOCKED), "small"))
    assert ("gateway", "a closed route answers 503") in closed


def test_everyone_whom_access_admits_may_use_a_granted_model(environment: EnvironmentStack) -> None:
    route = environment.models["models"]
    assert {row.state for row in callers_of(route, AccessQuestion("model", "small", None)).rows} == {"may"}
    assert {row.state for row in callers_of(route, AccessQuestion("model", "unused", None)).rows} == {"not_granted"}
    with pytest.raises(InputError, match="has no model smal"):
        callers_of(route, AccessQuestion("model", "smal", None))


def test_an_incident_leaves_its_guard_out(environment: EnvironmentStack) -> None:
    (plan,) = planned_steps(environment, ["dev.models"], lift=False)
    assert [step["ring"] for step in plan["steps"]] == ["edge", "gateway"]
    place = Place.from_manifest("dev.models", environment.models["models"].manifest, environment.settings)
    assert (place.guarded, place.proxy) == (False, "http://127.0.0.1:8000/v1/chat/completions")
    steps = revocation_steps(environment, read_principal("person:ada@example.com", None), lift=False)
    assert [step["stack"] for step in steps if step["ring"] == "guard"] == ["dev.one"]


def test_doctor_says_that_there_is_no_guard_to_examine(environment: EnvironmentStack) -> None:
    route = environment.models["models"]
    rows = list(check(environment, route, is_local=True))
    assert {row.status for row in rows} == {"skipped"}
    assert any("has no guard" in row.message for row in rows)
    assert list(references(route.manifest)) == []


def test_drift_asks_no_guard_of_it(project: Project, environment: EnvironmentStack) -> None:
    comparison = DriftComparison(project, Target(project, {}), environment, ("dev", "dev.one", "dev.models"))
    assert [member.stack for member in comparison.guarded] == ["dev.one"]


def test_the_table_of_editions_and_the_list_of_models_say_who_does_what(environment: EnvironmentStack) -> None:
    route = environment.models["models"]
    names = {row.key for row in enforced(route)}
    assert {"guardless", "gateway-tokens", "gateway-lakera", "body-size"} <= names
    assert {"model-tokens", "prompt-inspection", "inner-key", "server-tokens"}.isdisjoint(names)
    shown = overview(route)
    assert (shown["guard"], shown["limits"]["all_together"]) == (False, "no budget")
