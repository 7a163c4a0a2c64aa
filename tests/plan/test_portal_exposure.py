"""A portal's name answers after all that stands before it, and no server is offered without its application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from model.project import load, open_project
from plan.exposure import check_exposure
from plan.graph import Graph, Resource
from plan.live_exposure import HeldResource, exposures
from plan.offline import plan_stack
from plan.protectors import ACCESS_APPLICATION, ACCESS_POLICY, DNS_RECORD, MCP_PORTAL, PROTECTING
from plan.step_order import EngineStep, judge_steps
from tests.support.portals import add_portal
from tests.support.projects import write_project

NAME = "mcp.example.com"
TARGET = "gateway.agents.cloudflare.com"


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Graph]:
    """The environment's plan with symbolic ids, and as the engine has it before the first `up`."""
    root = tmp_path_factory.mktemp("portal")
    write_project(root, every_shape=True)
    add_portal(root)
    project = open_project(root)
    return tuple(plan_stack(project, load(project, "dev"), symbolic=symbolic) for symbolic in (True, False))  # type: ignore[return-value]


def edited(graph: Graph, name: str, make: Callable[[Resource], Resource | None]) -> Graph:
    resources = []
    for resource in graph.resources:
        kept = make(resource) if resource.custom and resource.name == name else resource
        resources += [kept] if kept is not None else []
    return Graph.build(graph.project, graph.stack, resources, graph.outputs)


def put(**inputs: Any) -> Callable[[Resource], Resource]:
    return lambda resource: replace(resource, inputs={**resource.inputs, **inputs})


def test_the_name_waits_for_every_protecting_resource_of_the_environment(graphs: tuple[Graph, Graph]) -> None:
    for graph in graphs:
        assert check_exposure(graph) == ()
        (record,) = graph.by_type(DNS_RECORD)
        protecting = {resource.urn for resource in graph.resources if resource.type in PROTECTING}
        assert protecting <= graph.ancestors(record.urn)
        early = edited(graph, record.name, lambda resource: replace(resource, dependencies=()))
        findings = {finding.rule_id for finding in check_exposure(early)}
        assert findings == {"exposure-order"}


@pytest.mark.parametrize(
    ("name", "make", "rule", "text"),
    [
        ("dev-portal-application", lambda _: None, "exposure-portal", "no mcp_portal application with policies covers"),
        (
            "dev-portal-application",
            put(policies=[]),
            "exposure-portal",
            "no mcp_portal application with policies covers",
        ),
        ("dev-portal-application", put(type="self_hosted"), "exposure-portal", "no mcp_portal application"),
        ("dev-portal-application", put(destinations=[]), "exposure-portal", "no mcp_portal application"),
        ("dev-portal-application-one", lambda _: None, "exposure-portal", "no mcp application with policies covers"),
        ("dev-portal-application-one", put(policies=[]), "exposure-portal", "no mcp application with policies covers"),
        ("dev-portal-server-one", lambda _: None, "exposure-portal", "which is not in this stack"),
        ("dev-portal", lambda _: None, "exposure-portal", "the stack declares no portal of that name"),
        (
            "dev-portal",
            put(hostname="other.example.com"),
            "exposure-portal",
            "the stack declares no portal of that name",
        ),
        ("dev-portal", put(servers={"$unknown": True}), "exposure-portal", "offers servers that the plan cannot read"),
        ("dev-portal-record", put(proxied=False), "exposure-dns-proxied", "would not pass Cloudflare Access"),
        ("dev-portal-record", put(type="A"), "exposure-dns-target", "is no CNAME"),
        ("dev-portal-record", put(content=f"{TARGET}.example.net"), "exposure-dns-target", "which is no tunnel"),
    ],
)
def test_each_missing_part_is_a_finding(
    graphs: tuple[Graph, Graph], name: str, make: Callable[[Resource], Resource | None], rule: str, text: str
) -> None:
    findings = check_exposure(edited(graphs[0], name, make))
    assert any(finding.rule_id == rule and text in finding.message for finding in findings), findings


def test_a_portal_that_offers_more_servers_than_have_applications_is_found_before_ids_are_known(
    graphs: tuple[Graph, Graph],
) -> None:
    bare = edited(graphs[1], "dev-portal-application-one", put(policies=[]))
    assert [finding.rule_id for finding in check_exposure(bare)] == ["exposure-portal"]


State = dict[str, HeldResource]


def running() -> State:
    """A portal with one server, as Cloudflare holds it."""
    state: State = {}

    def hold(name: str, token: str, /, **inputs: Any) -> None:
        state[name] = HeldResource(
            f"{name}-id", Resource(f"urn:pulumi:dev::p::{token}::{name}", token, name, custom=True, inputs=inputs)
        )

    hold("policy", ACCESS_POLICY, decision="allow")
    policies = [{"id": "policy-id"}]
    hold("app", ACCESS_APPLICATION, destinations=[{"type": "public", "uri": NAME}], policies=policies)
    destinations = [{"type": "via_mcp_server_portal", "mcpServerId": "one"}]
    hold("one-app", ACCESS_APPLICATION, destinations=destinations, policies=policies)
    hold("portal", MCP_PORTAL, hostname=NAME, servers=[{"serverId": "one", "defaultDisabled": True}])
    hold("record", DNS_RECORD, type="CNAME", name=NAME, content=TARGET, proxied=True)
    return state


def held(state: State, name: str, **inputs: Any) -> State:
    entry = state[name]
    resource = replace(entry.resource, inputs={**entry.resource.inputs, **inputs})
    return {**state, name: replace(entry, resource=resource)}


def without(state: State, name: str) -> State:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (running(), None),
        (without(without(running(), "app"), "record"), None),
        (without(running(), "app"), f"{NAME} resolves, and no Access application covers it"),
        (held(running(), "app", policies=[]), f"{NAME} resolves, and its Access application app has no policy"),
        (without(running(), "one-app"), f"{NAME} offers the server one, and no Access application covers it there"),
        (held(running(), "one-app", policies=[]), f"{NAME} resolves, and its Access application one-app has no policy"),
        (held(running(), "policy", decision="bypass"), f"{NAME} resolves, and the policy policy asks nobody who calls"),
        (
            held(running(), "record", proxied=False),
            f"{NAME} resolves without Cloudflare's proxy, and so without Access",
        ),
    ],
)
def test_a_state_is_exposed_where_a_part_is_missing(state: State, line: str | None) -> None:
    assert exposures(state.values()) == (() if line is None else (line,))


def test_an_application_that_goes_before_the_portal_lets_its_server_go_is_refused() -> None:
    state = running()
    steps = [
        EngineStep(
            "same", entry.resource.urn, entry.resource.type, entry.resource.inputs, entry.resource.inputs, entry.id
        )
        for entry in state.values()
    ]
    app = state["one-app"]
    gone = EngineStep("delete", app.resource.urn, app.resource.type, old=app.resource.inputs, id=app.id)
    portal = state["portal"]
    emptied = EngineStep(
        "update",
        portal.resource.urn,
        portal.resource.type,
        old=portal.resource.inputs,
        new={**portal.resource.inputs, "servers": []},
        id=portal.id,
    )
    others = [step for step in steps if step.urn not in (gone.urn, emptied.urn)]
    assert judge_steps([*others, emptied, gone]) == ()
    (finding,) = judge_steps([*others, gone, emptied])
    assert "is deleted too early" in finding.message
    assert "offers the server one" in finding.message
