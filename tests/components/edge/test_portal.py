"""What an environment with an MCP portal declares, and what its servers declare for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.edge.access import count_quotas
from model.project import load, load_environment, open_project
from plan.exposure import check_exposure
from plan.graph import Graph, Resource
from plan.offline import plan_stack
from plan.preflight import quota_problems
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD, MCP_PORTAL, MCP_SERVER
from plan.values import is_secret
from tests.support.portals import PORTAL, add_portal
from tests.support.projects import write_project
from tests.support.provider_schema import graph_problems


def planned(root: Path, stack: str = "dev", *edits: tuple[str, str], portal: bool = True) -> Graph:
    write_project(root, every_shape=True)
    if portal:
        add_portal(root, PORTAL, *edits)
    project = open_project(root)
    return plan_stack(project, load(project, stack))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return planned(tmp_path_factory.mktemp("portal"))


def named(graph: Graph, token: str) -> dict[str, Resource]:
    return {str(resource.inputs["name"]): resource for resource in graph.by_type(token)}


def offered(graph: Graph) -> dict[str, dict[str, Any]]:
    (portal,) = graph.by_type(MCP_PORTAL)
    servers: Any = portal.inputs["servers"]
    return {server["serverId"]: server for server in servers}


def test_every_planned_input_fits_the_providers_schema_and_no_name_answers_early(graph: Graph) -> None:
    assert graph_problems(graph) == []
    assert check_exposure(graph) == ()


def test_the_name_is_a_proxied_cname_to_cloudflares_own_service(graph: Graph) -> None:
    (record,) = graph.by_type(DNS_RECORD)
    assert {key: record.inputs[key] for key in ("name", "type", "content", "proxied", "ttl")} == {
        "name": "mcp.example.com",
        "type": "CNAME",
        "content": "gateway.agents.cloudflare.com",
        "proxied": True,
        "ttl": 1,
    }


def test_of_a_server_only_what_a_grant_opens_is_on_and_a_new_tool_is_not(graph: Graph) -> None:
    one, hosted = offered(graph)["${dev-portal-server-one.id}"], offered(graph)["${dev-portal-server-hosted.id}"]
    assert one["defaultDisabled"] is True
    assert hosted["defaultDisabled"] is True
    switches = {tool["name"]: tool["enabled"] for tool in one["updatedTools"]}
    # create_ticket is granted to the agent ci alone, and through the portal people call as themselves.
    assert switches == {"create_ticket": False, "get_ticket": True, "list_tickets": True, "run_report_command": False}
    # The grants of this server are for people; the agent as which the portal calls it has none.
    assert not any(tool["enabled"] for tool in hosted["updatedTools"])
    assert one["updatedPrompts"] == [{"name": "triage", "enabled": False}]


def test_people_sign_in_to_a_server_themselves_unless_it_is_shared(graph: Graph) -> None:
    one, hosted = offered(graph)["${dev-portal-server-one.id}"], offered(graph)["${dev-portal-server-hosted.id}"]
    assert (one["onBehalf"], hosted["onBehalf"]) == (True, False)
    servers = named(graph, MCP_SERVER)
    assert servers["dev-one"].inputs["authType"] == "oauth"
    assert "authCredentials" not in servers["dev-one"].inputs
    assert servers["dev-hosted"].inputs["authType"] == "bearer"
    assert is_secret(servers["dev-hosted"].inputs["authCredentials"])
    assert servers["dev-hosted"].inputs["hostname"] == "https://hosted.example.com/mcp"


def test_code_mode_is_written_off_unless_asked_for(graph: Graph, tmp_path: Path) -> None:
    (portal,) = graph.by_type(MCP_PORTAL)
    assert portal.inputs["codeMode"] == "off"
    asked = planned(tmp_path, "dev", ("agents: [ci]", "agents: [ci]\n      code_mode: opt_in"))
    assert asked.by_type(MCP_PORTAL)[0].inputs["codeMode"] == "opt_in"


def test_the_portal_and_each_server_in_it_have_an_application_with_policies(graph: Graph) -> None:
    applications = named(graph, ACCESS_APPLICATION)
    assert {name: app.inputs["type"] for name, app in applications.items()} == {
        "dev-portal": "mcp_portal",
        "dev-portal-one": "mcp",
        "dev-portal-hosted": "mcp",
    }
    destinations = [{"type": "via_mcp_server_portal", "mcpServerId": "${dev-portal-server-one.id}"}]
    assert applications["dev-portal-one"].inputs["destinations"] == destinations

    def policies(name: str) -> list[str]:
        held: Any = applications[name].inputs["policies"]
        return [policy["id"] for policy in held]

    # Agents pass the portal and the server that is called as an agent; nobody else's server opens to them.
    agent = "${dev-edge-policy-agent-ci.id}"
    assert policies("dev-portal")[0] == agent
    assert len(policies("dev-portal")) == 2
    assert policies("dev-portal-hosted")[0] == agent
    assert len(policies("dev-portal-hosted")) == 2
    assert len(policies("dev-portal-one")) == 1
    assert agent not in policies("dev-portal-one")


def test_nobody_signs_in_or_registers_at_a_server_in_the_portal_itself(graph: Graph) -> None:
    applications = [app.inputs for app in graph.by_type(ACCESS_APPLICATION) if app.inputs["type"] == "mcp"]
    assert len(applications) == 2
    for inputs in applications:
        assert inputs["oauthConfiguration"] == {
            "enabled": False,
            "dynamicClientRegistration": {
                "enabled": False,
                "allowAnyOnLocalhost": False,
                "allowAnyOnLoopback": False,
                "allowedUris": [],
            },
            "grant": {"accessTokenLifetime": "15m", "sessionDuration": "168h"},
        }


def test_a_server_in_the_portal_asks_for_its_own_people(graph: Graph, tmp_path: Path) -> None:
    own = planned(tmp_path, "dev.one").by_type(ACCESS_APPLICATION)[0].inputs["policies"]
    in_portal: Any = named(graph, ACCESS_APPLICATION)["dev-portal-one"].inputs["policies"]
    assert [policy["id"] for policy in in_portal] == [policy["id"] for policy in own[1:]]  # type: ignore[index]


def test_a_server_lets_the_portal_register_and_nobody_elses_server_does(tmp_path: Path) -> None:
    def uris(stack: str, **options: Any) -> list[Any]:
        graph = planned(tmp_path / f"{stack}-{len(list(tmp_path.iterdir()))}", stack, **options)
        configurations: list[Any] = [app.inputs["oauthConfiguration"] for app in graph.by_type(ACCESS_APPLICATION)]
        return [each["dynamicClientRegistration"]["allowedUris"] for each in configurations]

    assert uris("dev.one") == [["https://mcp.example.com/servers-callback"]]
    assert uris("dev.one", portal=False) == [[]]
    assert [] in uris("dev.hosted")
    assert not any("servers-callback" in str(each) for each in uris("dev.hosted"))


def test_the_urns_of_an_environment_stay_the_same_beside_a_portal(graph: Graph, tmp_path: Path) -> None:
    before = {resource.urn for resource in planned(tmp_path, portal=False).resources}
    assert before < {resource.urn for resource in graph.resources}
    added = {resource.urn for resource in graph.resources} - before
    outside = [urn for urn in added if "ringwall:index:Portal" not in urn]
    # One policy for the portal's people, and the group of the countries they come from where it is new.
    assert all("dev-edge-policy-people-" in urn for urn in outside), outside


def test_a_portal_counts_against_the_accounts_limits(tmp_path: Path) -> None:
    write_project(tmp_path, every_shape=True)
    before = load_environment(open_project(tmp_path), "dev")
    add_portal(tmp_path, PORTAL, ("agents: [ci]\n", "agents: [ci]\n    quotas: {access_applications: 6}\n"))
    environment = load_environment(open_project(tmp_path), "dev")
    counts = [count_quotas(each.settings, each.manifests) for each in (before, environment)]
    assert counts[1]["access_applications"] - counts[0]["access_applications"] == 3
    assert (counts[0]["mcp_portals"], counts[1]["mcp_portals"]) == (0, 1)
    (problem,) = quota_problems([environment])
    assert "the files ask for 7 access applications, the account has 6" in str(problem)
