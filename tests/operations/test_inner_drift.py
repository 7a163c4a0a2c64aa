"""Drift at the gateway sees the inner routes of a model route, and a second key of the guard's consumer."""

from __future__ import annotations

from pathlib import Path

from model.project import load, open_project
from operations.drift.gateway import planned_entities
from plan.offline import plan_stack
from tests.support.model_routes import write_route_project


def test_inner_routes_and_the_guards_keys_are_compared_at_kong(tmp_path: Path) -> None:
    project = open_project(write_route_project(tmp_path))
    graph = plan_stack(project, load(project, "dev.models"))
    entities, listings = planned_entities(graph.resources, {}, {"models-inner-guard-key": {"id": "k-1|c-1"}})
    paths = {entity.path for entity in entities}
    assert "/consumers/dev-models-guard-key" in paths
    assert len([path for path in paths if path.startswith("/routes/dev-models-inner-")]) == 2
    (keys,) = [listing for listing in listings if listing.path == "/consumers/dev-models-guard-key/key-auth"]
    assert (keys.key, keys.declared) == ("id", frozenset({"k-1"}))
    (groups,) = [listing for listing in listings if listing.path == "/consumers/dev-models-guard-key/acls"]
    assert groups.declared == frozenset({"guard-dev-models"})
