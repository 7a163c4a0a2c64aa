"""The offline plan, unknown ids left unknown, is what the real engine previews."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contract import OUTPUT
from engine.state import outputs
from model.project import load, open_project
from plan.graph import Graph
from plan.offline import plan_stack
from sandbox import Sandbox
from tests.support.engine_project import EngineProject
from tests.support.portals import add_portal
from tests.support.projects import write_project

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET_KEY = "4dabf18193072939515e22adb298388d"


@pytest.fixture(scope="module")
def engine_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProject]:
    """Every shape of server and a portal that offers two, their environment up, so that servers can be previewed."""
    folder: Path = tmp_path_factory.mktemp("fidelity")
    root = write_project(folder / "project", every_shape=True)
    add_portal(root)
    with Sandbox(folder / "world") as sandbox:
        yield EngineProject(open_project(root), sandbox, folder / "home")
    gc.collect()


def plain(value: Any) -> Any:
    """Both sides' markers in one form, without what only a provider fills in."""
    if isinstance(value, dict):
        if value == {"$unknown": True} or SECRET_KEY in value:
            return "(unknown)" if "$unknown" in value else "(secret)"
        if value == {"$secret": True}:
            return "(secret)"
        return {key: plain(item) for key, item in sorted(value.items()) if key != "__defaults"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if value == UNKNOWN:
        return "(unknown)"
    if value == "[secret]":
        return "(secret)"
    return int(value) if isinstance(value, float) and value.is_integer() else value


def previewed(project: EngineProject, stack: str) -> dict[str, dict[str, Any]]:
    result = {}
    for step in project.preview_json(stack)["steps"]:
        state = step.get("newState")
        if not state or state["type"] in ("pulumi:pulumi:Stack", "pulumi:pulumi:StackReference"):
            continue
        result[state["urn"]] = {
            "type": state["type"],
            "parent": state.get("parent"),
            "dependencies": sorted(state.get("dependencies") or []),
            "property_dependencies": {
                key: sorted(urns) for key, urns in sorted((state.get("propertyDependencies") or {}).items()) if urns
            },
            "protect": bool(state.get("protect")),
            "inputs": plain(_without_engine_keys(state)),
        }
    return result


def _without_engine_keys(state: dict[str, Any]) -> dict[str, Any]:
    """A provider's inputs without what the engine itself writes there: its plugin version and bookkeeping."""
    inputs = state.get("inputs") or {}
    if not state["type"].startswith("pulumi:providers:"):
        return dict(inputs)
    return {key: value for key, value in inputs.items() if key not in ("version", "__internal")}


def planned(graph: Graph) -> dict[str, dict[str, Any]]:
    return {
        resource.urn: {
            "type": resource.type,
            "parent": resource.parent,
            "dependencies": sorted(resource.dependencies),
            "property_dependencies": {
                key: sorted(urns) for key, urns in sorted(resource.property_dependencies.items()) if urns
            },
            "protect": bool(resource.protect),
            "inputs": plain(dict(resource.inputs)),
        }
        for resource in graph.resources
        if resource.type not in ("pulumi:pulumi:Stack", "pulumi:pulumi:StackReference")
    }


def assert_same(recorded: dict[str, dict[str, Any]], engines: dict[str, dict[str, Any]]) -> None:
    """Equal, told resource by resource: a difference of two whole graphs cannot be read."""
    assert sorted(recorded) == sorted(engines)
    for urn, resource in engines.items():
        for key, value in resource.items():
            assert (urn, key, recorded[urn][key]) == (urn, key, value)


def test_the_plan_is_what_the_engine_previews(engine_project: EngineProject) -> None:
    project = engine_project.project
    engine_project.pulumi("stack", "init", "dev")
    assert_same(planned(plan_stack(project, load(project, "dev"), symbolic=False)), previewed(engine_project, "dev"))

    engine_project.run("dev", "up")
    contract = outputs(project, "dev", target=engine_project.target)[OUTPUT]
    for server in ("dev.one", "dev.hosted", "dev.external"):
        engine_project.pulumi("stack", "init", server)
        expected = previewed(engine_project, server)
        assert len(expected) > 15
        assert_same(planned(plan_stack(project, load(project, server), contract=contract, symbolic=False)), expected)
