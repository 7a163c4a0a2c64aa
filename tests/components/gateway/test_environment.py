"""What an environment declares at the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from components.gateway.environment import GatewayEnvironment, GatewayEnvironmentArgs
from plan.graph import Graph
from plan.recorder import record
from tests.support import kong_schema
from tests.support.kong_manifests import ALL_SINKS, environment


def graph(**changes: Any) -> Graph:
    settings = environment(**changes)
    return record(
        lambda: GatewayEnvironment("dev-gateway", GatewayEnvironmentArgs("dev", settings)),
        project="ringwall",
        stack="dev",
    )


def test_each_issuer_is_one_consumer_in_one_group() -> None:
    found = graph()
    consumers = {one.inputs["username"]: one for one in found.by_type("kong:index/consumer:Consumer")}
    assert set(consumers) == {"dev-issuer-access", "dev-issuer-keycloak"}
    groups = {
        one.inputs["consumerId"]: one.inputs["group"] for one in found.by_type("kong:index/consumerAcl:ConsumerAcl")
    }
    assert groups == {
        "${dev-gateway-issuer-access.id}": "issuer-access",
        "${dev-gateway-issuer-keycloak.id}": "issuer-keycloak",
    }


def test_a_consumer_has_both_names_so_that_an_update_is_accepted() -> None:
    for one in graph().by_type("kong:index/consumer:Consumer"):
        assert one.inputs["customId"] == one.inputs["username"]
        sent = {"username": one.inputs["username"], "custom_id": one.inputs["customId"], "tags": one.inputs["tags"]}
        assert kong_schema.entity_problems("consumers", sent) == []


def test_issuer_keys_are_not_in_the_program() -> None:
    assert not graph().by_type("kong:index/consumerJwtAuth:ConsumerJwtAuth")


def test_global_plugins_belong_to_no_service() -> None:
    found = graph(logs=ALL_SINKS).by_type("kong:index/plugin:Plugin")
    assert {one.inputs["name"] for one in found} == {
        "correlation-id",
        "prometheus",
        "http-log",
        "file-log",
        "opentelemetry",
    }
    for one in found:
        assert not {"serviceId", "routeId", "consumerId"} & set(one.inputs)
        assert one.inputs["enabled"] is True
        assert one.options["additional_secret_outputs"] == ["computedConfig"]


def test_metrics_can_be_switched_off() -> None:
    found = graph(metrics={"prometheus": False}).by_type("kong:index/plugin:Plugin")
    assert [one.inputs["name"] for one in found] == ["correlation-id"]


@pytest.mark.parametrize("token", ["ringwall:index:GatewayEnvironment"])
def test_everything_stands_below_the_component(token: str) -> None:
    found = graph()
    (component,) = found.by_type(token)
    assert {one.parent for one in found.resources if one.type.startswith("kong:")} == {component.urn}
