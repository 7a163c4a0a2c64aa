"""What an environment declares at the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from components.gateway.environment import GatewayEnvironment, GatewayEnvironmentArgs
from plan.graph import Graph
from plan.recorder import record
from tests.support import kong_schema
from tests.support.kong_manifests import ALL_SINKS, environment, environment_stack


def graph(**changes: Any) -> Graph:
    settings = environment(**changes)
    return record(
        lambda: GatewayEnvironment("dev-gateway", GatewayEnvironmentArgs(environment_stack(settings))),
        project="ringwall",
        stack="dev",
    )


def test_each_issuer_is_one_consumer_in_one_group() -> None:
    plan = graph()
    consumers = {consumer.inputs["username"]: consumer for consumer in plan.by_type("kong:index/consumer:Consumer")}
    assert set(consumers) == {"dev-issuer-access", "dev-issuer-keycloak"}
    groups = {
        acl.inputs["consumerId"]: acl.inputs["group"] for acl in plan.by_type("kong:index/consumerAcl:ConsumerAcl")
    }
    assert groups == {
        "${dev-gateway-issuer-access.id}": "issuer-access",
        "${dev-gateway-issuer-keycloak.id}": "issuer-keycloak",
    }


def test_a_consumer_has_both_names_so_that_an_update_is_accepted() -> None:
    for consumer in graph().by_type("kong:index/consumer:Consumer"):
        assert consumer.inputs["customId"] == consumer.inputs["username"]
        sent = {
            "username": consumer.inputs["username"],
            "custom_id": consumer.inputs["customId"],
            "tags": consumer.inputs["tags"],
        }
        assert kong_schema.entity_problems("consumers", sent) == []


def test_issuer_keys_are_not_in_the_program() -> None:
    assert not graph().by_type("kong:index/consumerJwtAuth:ConsumerJwtAuth")


def test_global_plugins_belong_to_no_service() -> None:
    plugins = graph(logs=ALL_SINKS).by_type("kong:index/plugin:Plugin")
    assert {plugin.inputs["name"] for plugin in plugins} == {
        "correlation-id",
        "prometheus",
        "http-log",
        "file-log",
        "opentelemetry",
    }
    for plugin in plugins:
        assert not {"serviceId", "routeId", "consumerId"} & set(plugin.inputs)
        assert plugin.inputs["enabled"] is True
        assert plugin.options["additional_secret_outputs"] == ["computedConfig"]


def test_metrics_can_be_switched_off() -> None:
    plugins = graph(metrics={"prometheus": False}).by_type("kong:index/plugin:Plugin")
    assert [plugin.inputs["name"] for plugin in plugins] == ["correlation-id"]


@pytest.mark.parametrize("token", ["ringwall:index:GatewayEnvironment"])
def test_everything_stands_below_the_component(token: str) -> None:
    plan = graph()
    (component,) = plan.by_type(token)
    assert {resource.parent for resource in plan.resources if resource.type.startswith("kong:")} == {component.urn}
