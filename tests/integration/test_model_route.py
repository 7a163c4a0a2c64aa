"""A model route on the real engine: brought up behind its rings, and the guard's key nowhere in clear."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from engine.state import outputs
from model.model_guard_config import ModelGuardConfig
from model.project import load_environment
from model.stacks import Stack
from operations.drift.comparison import DriftComparison
from operations.gateway_file import GatewayFile, gateway_file
from plan.offline import plan_stack, planned_contract
from tests.support.engine_project import EngineProject
from tests.support.exposure_changes import GUARD_OFF, GUARDED_ROUTE, KEY, WRITE
from tests.support.exposure_rehearsal import write_edit
from tests.support.model_routes import ROUTE

pytestmark = pytest.mark.engine

GUARD_KEY = base64.b64encode(b"planted key of a guard, 32 bytes").decode()


@pytest.fixture
def routed(engine_project: EngineProject) -> EngineProject:
    text = ROUTE[: ROUTE.index("  ringwall:guardKey")] + ROUTE[ROUTE.index("  ringwall:model:") :]
    engine_project.project.stack_file("dev.models").write_text(text, encoding="utf-8")
    for stack in ("dev", "dev.models"):
        engine_project.pulumi("stack", "init", stack)
    engine_project.pulumi("config", "set", "--secret", "--stack", "dev.models", "ringwall:guardKey", GUARD_KEY)
    return engine_project


def exported(deployed: EngineProject) -> GatewayFile:
    """Everything at Kong, as `gateway export` writes it once it is deployed."""
    project = deployed.project
    environment = load_environment(project, "dev")
    recorded = DriftComparison(project, deployed.target, environment, ("dev", "dev.models"))
    contract = planned_contract(project, environment)
    stacks: list[Stack] = [environment, environment.models["models"]]
    graphs = [plan_stack(project, stack, contract=contract) for stack in stacks]
    known = {graph.stack: recorded.known(graph.stack) for graph in graphs}
    return gateway_file(graphs, known, environment="dev", keys={})


def test_a_model_route_comes_up_and_its_guards_key_is_found_nowhere(routed: EngineProject) -> None:
    routed.run("dev", "up")
    routed.run("dev.models", "up")
    routed.run("dev.models", "refresh")
    assert not routed.run("dev.models", "preview").steps.differs

    (key,) = routed.sandbox.resources("kong:*:ConsumerKeyAuth")
    # The rehearsal's world keeps digests of secrets.
    assert list(key.outputs["key"]) == ["$sha256"]
    routes = {record.outputs["hosts"][0] for record in routed.sandbox.resources("kong:*:Route")}
    config = outputs(routed.project, "dev.models", show_secrets=True, target=routed.target)["guard_config"]
    guard = ModelGuardConfig.model_validate(json.loads(config))
    assert routes == {"models.example.com", *(model.inner_host for model in guard.models)}

    file = exported(routed)
    assert file.unknown == ()
    assert GUARD_KEY not in file.text
    document = yaml.safe_load(file.text)
    plugins = [*document["plugins"], *(one for service in document["services"] for one in service["plugins"])]
    made = [record.outputs for record in routed.sandbox.resources("kong:*:Plugin")]
    assert sorted(json.dumps([one["name"], one["config"]], sort_keys=True) for one in plugins) == sorted(
        json.dumps([one["name"], json.loads(one["configJson"])], sort_keys=True) for one in made
    )

    planted = [GUARD_KEY, base64.b64encode(GUARD_KEY.encode()).decode()]
    files: list[Path] = [path for path in routed.project.root.rglob("*") if path.is_file()]
    assert any("history" in path.parts for path in files)
    for path in files:
        text = path.read_bytes().decode("utf-8", errors="replace")
        assert not any(form in text for form in planted), f"{path} holds the guard's key"


def test_a_guard_is_taken_off_by_one_update_of_the_route_between_two_whole_services(
    engine_project: EngineProject,
) -> None:
    for edit in GUARDED_ROUTE:
        if edit[0] == "dev" or edit[1] in (WRITE, KEY):
            write_edit(engine_project, edit)
    engine_project.pulumi("stack", "init", "dev")
    engine_project.run("dev", "up")
    engine_project.run("dev.models", "up")
    for edit in GUARD_OFF:
        write_edit(engine_project, edit)
    steps = engine_project.run("dev.models", "up").steps.changed
    order = [(step.operation, step.name) for step in steps]

    moved = order.index(("update", "models-gateway-route"))
    made = {name for operation, name in order[:moved] if operation == "create"}
    assert {f"models-gateway-direct-{part}" for part in ("service", "identity", "signature", "lakera", "proxy")} <= made
    assert not [name for operation, name in order[:moved] if operation != "create" and "models-gateway" in name]
    assert {operation for operation, _ in order[moved + 1 :]} == {"delete"}
    assert not engine_project.sandbox.resources("kong:*:ConsumerKeyAuth")
    assert len(engine_project.sandbox.resources("kong:*:Route")) == 1
