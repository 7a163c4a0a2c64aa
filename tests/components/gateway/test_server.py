"""The gateway component as it is declared: what exists, in which order, under which names."""

from __future__ import annotations

import json
from typing import Any, cast

import pulumi
import pytest

from components.gateway.server import GatewayArgs, GatewayRing
from model.errors import InputError
from plan.graph import Graph, Resource
from plan.recorder import record
from tests.support.kong_manifests import (
    ALL_SINKS,
    CASES,
    REDIS,
    audiences,
    environment,
    external,
    server,
    stack,
)

NAME = "github-gateway"


def graph(settings: Any = None, manifest: Any = None, aud: Any = None) -> Graph:
    settings, manifest = settings or environment(), manifest or server()

    def program() -> None:
        names = audiences(manifest) if aud is None else aud
        gateway = GatewayRing(NAME, GatewayArgs(stack(settings, manifest), names))
        pulumi.export("protectors", [resource.urn for resource in gateway.protectors])
        pulumi.export("group", gateway.consumer_group)

    return record(program, project="ringwall", stack="dev.github")


def named(plan: Graph, suffix: str) -> Resource:
    (resource,) = [candidate for candidate in plan.resources if candidate.name == f"{NAME}-{suffix}"]
    return resource


def plugins(plan: Graph) -> list[Resource]:
    return list(plan.by_type("kong:index/plugin:Plugin"))


@pytest.mark.parametrize("case", CASES)
def test_every_gateway_can_be_declared(case: str) -> None:
    settings, manifest = CASES[case]
    plan = graph(settings, manifest)
    assert {resource.type for resource in plan.resources if resource.name == NAME} == {"ringwall:index:Gateway"}
    assert all(
        resource.name == NAME or resource.name.startswith(f"{NAME}-")
        for resource in plan.resources
        if "kong" in resource.type
    )
    for resource in plan.resources:
        if resource.type.startswith("kong:index"):
            assert resource.inputs.get("name") or resource.inputs.get("target"), resource.name
            assert resource.inputs["tags"] == ["ringwall", "ringwall-environment-dev", "ringwall-server-github"]


@pytest.mark.parametrize("case", CASES)
def test_every_plugin_stands_before_the_route(case: str) -> None:
    settings, manifest = CASES[case]
    plan = graph(settings, manifest)
    ancestors = plan.ancestors(named(plan, "route").urn)
    service_plugins = [plugin for plugin in plugins(plan) if "metadata" not in plugin.name]
    assert {plugin.inputs["name"] for plugin in service_plugins} >= {"pre-function", "jwt", "acl", "rate-limiting"}
    assert {plugin.urn for plugin in service_plugins} <= ancestors
    assert named(plan, "target").urn in ancestors


def test_every_plugin_is_on_the_service_and_none_on_the_route() -> None:
    plan = graph()
    service = named(plan, "service")
    for plugin in plugins(plan):
        assert plugin.inputs["serviceId"] == f"${{{service.name}.id}}"
        assert "routeId" not in plugin.inputs


def test_the_public_name_can_depend_on_everything() -> None:
    plan = graph(manifest=external())
    declared = {resource.urn for resource in plan.resources if resource.type.startswith("kong:index")}
    assert sorted(cast(list[str], plan.outputs["protectors"])) == sorted(declared)


def test_switching_a_plugin_off_is_drift() -> None:
    assert all(plugin.inputs["enabled"] is True for plugin in plugins(graph()))


def test_drift_of_the_identity_chain_is_repaired() -> None:
    assert all(plugin.inputs["strictMatch"] is True for plugin in plugins(graph(manifest=server(logs=ALL_SINKS))))


def test_computed_config_is_always_secret() -> None:
    settings = environment(gateway={"redis": REDIS})
    for plugin in plugins(graph(settings, server(logs=ALL_SINKS))):
        assert plugin.options["additional_secret_outputs"] == ["computedConfig"], plugin.name


def test_a_target_is_deleted_before_its_replacement() -> None:
    assert named(graph(), "target").options["delete_before_replace"] is True


def test_the_audiences_reach_the_identity_check() -> None:
    config = json.loads(str(named(graph(), "identity").inputs["configJson"]))
    for hostname, audience in audiences(server()).items():
        assert f'["{hostname}"] = "{audience}"' in config["access"][0]


def test_audiences_may_be_outputs() -> None:
    def program() -> None:  # an output belongs to the event loop of the program that makes it
        outputs = {hostname: pulumi.Output.from_input(aud) for hostname, aud in audiences(server()).items()}
        GatewayRing(NAME, GatewayArgs(stack(), outputs))

    plan = record(program, project="p", stack="dev.github")
    assert "a" * 64 in str(named(plan, "identity").inputs["configJson"])


def test_a_missing_audience_stops_the_program_before_any_resource() -> None:
    with pytest.raises(InputError, match="has no Access audience"):
        graph(aud={"github.example.com": "a"})


def test_a_gateway_that_cannot_enforce_a_setting_is_refused() -> None:
    with pytest.raises(InputError, match="requests_per_hour"):
        graph(manifest=server(limits={"requests_per_hour": 1}))


def test_the_metadata_route_has_a_service_of_its_own() -> None:
    plan = graph(manifest=external())
    route = named(plan, "metadata-route")
    assert route.inputs["serviceId"] == "${github-gateway-metadata-service.id}"
    assert named(plan, "metadata-document").urn in plan.ancestors(route.urn)
    assert named(plan, "metadata-document").inputs["serviceId"] == route.inputs["serviceId"]


def test_access_servers_have_one_route() -> None:
    assert [route.name for route in graph().by_type("kong:index/route:Route")] == [f"{NAME}-route"]


@pytest.mark.parametrize(("manifest", "group"), [(server(), "issuer-access"), (external(), "issuer-keycloak")])
def test_the_consumer_group_is_the_issuers(manifest: Any, group: str) -> None:
    assert graph(manifest=manifest).outputs["group"] == group
