"""The stand-in's configuration out of planned stacks: exactly what the provider would send to the Admin API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from plan.graph import Graph, Resource
from tests.support.kong_gateway.configuration import (
    Configuration,
    Consumer,
    JwtCredential,
    KeyCredential,
    Plugin,
    Route,
    Service,
    Unsupported,
)

_PREFIX = "kong:index/"
#: Inputs that say nothing about a request, or are fixed to what the stand-in does.
_SERVICE = {"name", "host", "port", "protocol", "retries", "connectTimeout", "readTimeout", "writeTimeout", "tags"}
_ROUTE = {
    "name", "serviceId", "hosts", "paths", "methods", "protocols", "stripPath", "preserveHost", "regexPriority",
    "pathHandling", "httpsRedirectStatusCode", "requestBuffering", "responseBuffering", "tags",
}  # fmt: skip
_FIXED = {
    "protocol": "http",
    "retries": 0,
    "stripPath": False,
    "protocols": ["http"],
    "responseBuffering": False,
}


def planned_configuration(
    graphs: Iterable[Graph],
    *,
    known: Mapping[str, str],
    targets: Mapping[str, str],
    keys: Mapping[str, tuple[JwtCredential, ...]],
    guard_keys: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """Every Kong object of the graphs.

    Args:
        known: what the symbolic values of the plan are, by their text in it, such as an application's audience.
        targets: where a planned target, `address:port`, listens here.
        keys: the credentials that `keys sync` gives each consumer, by its username.
        guard_keys: the secret keys of the consumers that have one planned, by their usernames.
        environment: the gateway's own variables.
    """
    resources = [one for graph in graphs for one in graph.resources if one.type.startswith(_PREFIX)]
    upstreams = {f"${{{one.name}.id}}": str(one.inputs["name"]) for one in _of(resources, "upstream:Upstream")}
    addresses: dict[str, tuple[str, ...]] = {}
    for target in _of(resources, "target:Target"):
        planned = str(target.inputs["target"])
        addresses[upstreams[str(target.inputs["upstreamId"])]] = (targets.get(planned, planned),)
    groups = {
        str(one.inputs["consumerId"]): str(one.inputs["group"]) for one in _of(resources, "consumerAcl:ConsumerAcl")
    }
    keyed = {str(one.inputs["consumerId"]) for one in _of(resources, "consumerKeyAuth:ConsumerKeyAuth")}
    services = {f"${{{one.name}.id}}": _service(one, addresses) for one in _of(resources, "service:Service")}
    return Configuration(
        tuple(services.values()),
        tuple(_route(one, services) for one in _of(resources, "route:Route")),
        tuple(_plugin(one, services, known) for one in _of(resources, "plugin:Plugin")),
        tuple(
            Consumer(
                username := str(one.inputs["username"]),
                str(one.inputs["customId"]),
                (groups[f"${{{one.name}.id}}"],),
                keys.get(username, ()),
                (KeyCredential((guard_keys or {})[username]),) if f"${{{one.name}.id}}" in keyed else (),
            )
            for one in _of(resources, "consumer:Consumer")
        ),
        environment or {},
    )


def _of(resources: list[Resource], kind: str) -> list[Resource]:
    return [one for one in resources if one.type == _PREFIX + kind]


def _check(resource: Resource, allowed: set[str]) -> None:
    if unknown := sorted(set(resource.inputs) - allowed):
        raise Unsupported(f"{resource.name}: input {unknown[0]}")
    for name, value in _FIXED.items():
        if name in resource.inputs and resource.inputs[name] != value:
            raise Unsupported(f"{resource.name}: {name} {resource.inputs[name]}")


def _service(resource: Resource, addresses: Mapping[str, tuple[str, ...]]) -> Service:
    _check(resource, _SERVICE)
    inputs: Any = resource.inputs
    host = str(inputs["host"])
    return Service(
        str(inputs["name"]),
        # A host that no upstream has is asked of the resolver; `.invalid` has no answer (RFC 6761 section 6.4).
        addresses.get(host, (f"{host}:{inputs['port']}",)),
        read_timeout=inputs["readTimeout"] / 1000,
        connect_timeout=inputs["connectTimeout"] / 1000,
    )


def _route(resource: Resource, services: Mapping[str, Service]) -> Route:
    _check(resource, _ROUTE)
    inputs: Any = resource.inputs
    return Route(
        services[inputs["serviceId"]].name,
        tuple(inputs["hosts"]),
        tuple(inputs["paths"]),
        tuple(inputs["methods"]),
        preserve_host=inputs["preserveHost"],
    )


def _plugin(resource: Resource, services: Mapping[str, Service], known: Mapping[str, str]) -> Plugin:
    _check(resource, {"name", "configJson", "enabled", "serviceId", "strictMatch", "tags"})
    inputs: Any = resource.inputs
    text = inputs["configJson"]
    for symbol, value in known.items():
        text = text.replace(symbol, value)
    # `{vault://env/...}` stays: it is the gateway's to resolve.
    if left := re.search(r"\$\{[^}]+\}", text):
        raise Unsupported(f"{resource.name}: what {left[0]} is")
    service = inputs.get("serviceId")
    return Plugin(
        inputs["name"], json.loads(text), services[service].name if service else None, enabled=inputs["enabled"]
    )
