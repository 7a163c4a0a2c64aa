"""A closed server in the plan: what every ring has, what it no longer has, and that opening gives all of it back."""

from __future__ import annotations

import json

import pytest

from components.edge.access import count_quotas, server_policies
from components.gateway.plugins import server_plugins
from components.guard.settings import build_guard_config
from model.errors import InputError
from model.guard_config import GuardConfig
from model.lockdown import Lockdown
from model.project import load_environment, open_project
from model.stacks import EnvironmentStack, ServerStack
from operations.incident.closing import closed, closing_plugin, closing_plugin_id, edge_urns, opened
from plan.exposure import check_exposure
from plan.graph import Graph
from plan.offline import plan_stack
from tests.support import kong_schema
from tests.support.kong_lua_runtime import Kong
from tests.support.provider_schema import graph_problems

LOCKDOWN = Lockdown(reason="an incident; Ada", since="2026-11-23T03:00:00Z")
AGENTS = {"ci": "0123.access", "nightly": "4567.access"}
SERVERS = ["one", "hosted", "external"]


def locked(environment: EnvironmentStack, name: str) -> ServerStack:
    server = environment.servers[name]
    manifest = server.manifest.model_copy(update={"lockdown": LOCKDOWN})
    return ServerStack(server.environment, server.name, server.document, manifest, server.lock_file, server.lock)


def plans(environment: EnvironmentStack, name: str) -> tuple[Graph, Graph]:
    """Open and closed."""
    project = open_project(environment.document.file.parents[1])
    open_ = plan_stack(project, environment.servers[name])
    return open_, plan_stack(project, locked(environment, name))


def config(environment: EnvironmentStack, server: ServerStack) -> GuardConfig:
    audiences = {hostname: f"aud-of-{hostname}" for hostname in server.manifest.hostnames}
    return build_guard_config(server, audiences, AGENTS)


@pytest.mark.parametrize("name", SERVERS)
def test_a_closed_server_is_as_well_ordered_and_as_valid_as_an_open_one(
    environment: EnvironmentStack, name: str
) -> None:
    _, graph = plans(environment, name)
    assert [finding for finding in check_exposure(graph) if finding.severity.name == "ERROR"] == []
    assert graph_problems(graph) == []


@pytest.mark.parametrize("name", SERVERS)
def test_deny_everyone_stands_alone_on_every_application(environment: EnvironmentStack, name: str) -> None:
    # Service Auth comes before Block whatever the precedence, so no agent's policy may stand beside it.
    _, graph = plans(environment, name)
    (policy,) = graph.by_type("cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy")
    assert (policy.inputs["decision"], policy.inputs["includes"]) == ("deny", [{"everyone": {}}])
    assert policy.inputs["name"] == f"dev-{name}-lockdown"
    applications = graph.by_type("cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication")
    assert len(applications) == len(environment.manifests[name].hostnames)
    for application in applications:
        assert application.inputs["policies"] == [{"id": f"${{{policy.name}.id}}", "precedence": 1}]
    assert sorted(edge_urns(graph)) == sorted([policy.urn, *(resource.urn for resource in applications)])


@pytest.mark.parametrize("name", SERVERS)
def test_the_gateway_answers_503_behind_the_whole_identity_chain(environment: EnvironmentStack, name: str) -> None:
    server = locked(environment, name)
    base = {spec.suffix: spec for spec in server_plugins(environment.servers[name])}
    head = {spec.suffix: spec for spec in server_plugins(server)}
    stop = head.pop("lockdown")
    assert head == base
    assert (stop.name, stop.config["status_code"], stop.config["trigger"]) == ("request-termination", 503, None)
    assert kong_schema.plugin_problems(stop.name, stop.config) == []
    assert LOCKDOWN.reason not in stop.config_json()


def test_what_closes_beside_the_engine_answers_503_before_any_other_plugin_and_says_who_put_it_there() -> None:
    plugin = closing_plugin("dev", "one", "0123456789abcdef")
    assert kong_schema.plugin_problems(plugin["name"], plugin["config"]) == []
    (source,) = plugin["config"]["access"]
    for headers in ({}, {"authorization": "Bearer x"}):
        outcome = Kong(headers=headers, authenticated=bool(headers)).run(source)
        assert (outcome.status, outcome.message) == (503, "This server is closed.")
        assert outcome.response_headers == {"x-ringwall-closed": "0123456789abcdef"}
    assert plugin["tags"] == ["ringwall", "ringwall-environment-dev", "ringwall-server-one", "ringwall-closed"]


def test_closing_twice_leaves_one_plugin_and_no_other_servers() -> None:
    assert closing_plugin_id("dev", "one") == closing_plugin_id("dev", "one")
    ids = {closing_plugin_id(*names) for names in (("dev", "one"), ("dev", "two"), ("test", "one"), ("dev-one", "x"))}
    assert len(ids) == 4


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_but_what_closes_differs_in_the_plan(environment: EnvironmentStack, name: str) -> None:
    open_, graph = plans(environment, name)
    added = {resource.urn for resource in graph.resources} - {resource.urn for resource in open_.resources}
    assert {urn.rsplit("::", 1)[-1] for urn in added} == {f"{name}-edge-lockdown", f"{name}-gateway-lockdown"}
    before = {resource.urn: resource.inputs for resource in open_.resources}
    changed = {
        resource.urn
        for resource in graph.resources
        if resource.urn in before and resource.inputs != before[resource.urn]
    }
    assert changed <= set(edge_urns(graph)) | {
        resource.urn
        for resource in graph.resources
        if resource.type in ("ringwall:index:Origin", "ringwall:index:Guard")
    }
    assert json.loads(str(graph.outputs["guard_config"]))["grants"] == []


@pytest.mark.parametrize("name", SERVERS)
def test_the_guards_closed_configuration_is_the_open_one_without_grants(
    environment: EnvironmentStack, name: str
) -> None:
    normal = config(environment, environment.servers[name])
    assert normal.grants
    assert config(environment, locked(environment, name)) == closed(normal)
    assert closed(normal).dump() == {**normal.dump(), "grants": []}


@pytest.mark.parametrize("name", SERVERS)
def test_the_open_configuration_comes_back_with_the_ids_that_are_deployed(
    environment: EnvironmentStack, name: str
) -> None:
    deployed = config(environment, locked(environment, name))
    assert opened(environment, locked(environment, name), deployed) == config(environment, environment.servers[name])


def test_an_agent_that_is_not_deployed_yet_is_not_let_in_by_guessing(environment: EnvironmentStack) -> None:
    deployed = config(environment, locked(environment, "hosted"))
    agents = {client: agent for client, agent in deployed.identity.agents.items() if agent != "nightly"}
    fewer_agents = deployed.model_copy(update={"identity": deployed.identity.model_copy(update={"agents": agents})})
    with pytest.raises(InputError, match="agent nightly is not deployed yet"):
        opened(environment, locked(environment, "hosted"), fewer_agents)


def test_the_environments_policies_stay_and_the_deny_policy_counts(environment: EnvironmentStack) -> None:
    manifests = {**environment.manifests, "one": locked(environment, "one").manifest}
    before = count_quotas(environment.settings, environment.manifests)
    assert count_quotas(environment.settings, manifests) == {**before, "access_policies": before["access_policies"] + 1}
    assert server_policies(environment.settings, manifests["one"]) == server_policies(
        environment.settings, environment.manifests["one"]
    )


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('{reason: "", since: "2026-11-23T03:00:00Z"}', "reason"),
        ('{reason: "x", since: yesterday}', "since"),
        ('{since: "2026-11-23T03:00:00Z"}', "reason"),
        ("true", "lockdown"),
    ],
)
def test_a_lockdown_says_why_and_since_when(environment: EnvironmentStack, entry: str, problem: str) -> None:
    file = environment.servers["one"].document.file
    file.write_text(file.read_text().replace("    guard_port:", f"    lockdown: {entry}\n    guard_port:"))
    with pytest.raises(InputError, match=problem):
        load_environment(open_project(file.parents[1]), "dev")
