"""A model route is closed and opened like a server: the same key in its file, the same plugin, a bundle without grants."""

from __future__ import annotations

from pathlib import Path

from components.guard.model_settings import build_model_guard_config
from model.project import load_environment, open_project
from operations.incident.closing import closed, opened
from operations.incident.edits import edits_of, planned_steps
from operations.incident.lockdown import Place
from operations.project.write import apply
from tests.support.model_routes import FILE, ROUTE, write_route_project


def test_a_lockdown_is_written_into_a_model_routes_file_and_taken_out_again(tmp_path: Path) -> None:
    project = open_project(write_route_project(tmp_path))
    changes, unwritable = edits_of(project, ["dev.models"], "stolen token", lift=False)
    assert unwritable == {}
    apply(changes)
    route = load_environment(project, "dev").models["models"]
    assert route.manifest.lockdown is not None
    assert build_model_guard_config(route, {"models.example.com": "a"}, {"ci": "c"}).grants == ()
    changes, _ = edits_of(project, ["dev.models"], None, lift=True)
    apply(changes)
    assert (project.root / FILE).read_text() == ROUTE


def test_a_closed_model_routes_guard_opens_with_the_grants_of_its_file(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_route_project(tmp_path)), "dev")
    route = environment.models["models"]
    deployed = build_model_guard_config(route, {"models.example.com": "aud"}, {"ci": "client"})
    assert closed(deployed).grants == ()
    assert opened(environment, route, closed(deployed)) == deployed


def test_the_rings_of_a_model_route_are_told_before_it_is_closed(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_route_project(tmp_path)), "dev")
    (plan,) = planned_steps(environment, ["dev.models"], lift=False)
    assert [step["ring"] for step in plan["steps"]] == ["edge", "gateway", "guard"]
    assert "in place of 2 grants" in plan["steps"][-1]["text"]


def test_the_gateways_proof_asks_a_path_that_the_public_route_has(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_route_project(tmp_path)), "dev")
    place = Place.from_manifest("dev.models", environment.models["models"].manifest, environment.settings)
    assert place.proxy == "http://127.0.0.1:8000/v1/chat/completions"
    assert place.hostnames == ("models.example.com",)
