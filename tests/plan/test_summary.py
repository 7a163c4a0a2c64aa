"""A plan's summary fits a screen and names, ring by ring, what a reviewer looks for."""

from __future__ import annotations

from model.project import Project, load
from model.resource_types import is_resource
from plan.offline import plan_stack
from plan.rings import ring_of
from plan.summary import by_ring, to_summary
from tests.support.command_line import ringwall


def test_a_servers_rings_are_on_one_screen_and_full_shows_every_input(project: Project) -> None:
    done = ringwall("plan", "dev.one", "--project", project.root)
    lines = done.out.splitlines()
    assert (done.code, len(lines) < 50, max(map(len, lines[:-1])) <= 85) == (0, True, True)
    headings = [line for line in lines if line.startswith(("edge: ", "gateway: ", "guard: ", "origin: "))]
    assert [line.partition(":")[0] for line in headings] == ["edge", "gateway", "guard", "origin"]
    for text in (
        "  Access before one.example.com: ",
        "  name one.example.com: proxied; made last, removed first",
        "  requests per principal: 240 per minute",
        "  grant to ",
        "  limits of a caller: ",
        "  server reached only at: ",
    ):
        assert any(line.startswith(text) for line in lines), text
    assert lines[-1].startswith("Every resource with its inputs: `ringwall plan dev.one --full")
    full = ringwall("plan", "dev.one", "--full", "--project", project.root).out
    assert "configJson: (JSON)" in full
    assert full.splitlines()[0] == lines[0]


def test_the_rings_hold_every_resource_that_is_counted(project: Project) -> None:
    graph = plan_stack(project, load(project, "dev.hosted"))
    resources = [resource for resource in graph.resources if is_resource(resource.type)]
    summary = to_summary(graph, "ringwall plan dev.hosted --full")
    assert summary.startswith(f"Offline plan of {project.name}/dev.hosted: {len(resources)} resources\n")
    shown = " ".join(" ".join(by_ring((resource.type, resource.name) for resource in resources)).split())
    for resource in resources:
        assert f"{resource.name} {resource.type.rsplit(':', 1)[-1]}" in shown
    assert {ring_of(resource.type) for resource in resources} == {"edge", "gateway", "guard", "origin", None}


def test_an_environments_policies_say_whom_they_admit(project: Project) -> None:
    out = ringwall("plan", "dev", "--project", project.root).out
    assert "policy dev-agent-ci: non_identity serviceToken dev-edge-agent-ci" in out
    assert "needs group dev-edge-group-countries-" in " ".join(out.split())
