"""What rules are given: the plan of one stack, the files behind it, and readers for the values of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from components.documents import GUARD, ORIGIN
from components.gateway.names import INNER_DOMAIN
from model.loopback import is_loopback as is_loopback
from model.waivers import today_utc
from plan.exposure import _BESIDE_TERMINATION, _TERMINATION, _is_unconditional, check_exposure, is_narrow, linked
from plan.findings import Finding
from plan.graph import Graph, Resource
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD, KONG_PLUGIN, KONG_ROUTE, KONG_SERVICE, TUNNEL, TUNNEL_CONFIG
from plan.protectors import ACCESS_GROUP as ACCESS_GROUP
from plan.protectors import ACCESS_POLICY as ACCESS_POLICY
from plan.protectors import KONG_TARGET as KONG_TARGET
from plan.protectors import KONG_UPSTREAM as KONG_UPSTREAM
from plan.protectors import POSTURE_RULE as POSTURE_RULE
from plan.values import Json, is_unknown

if TYPE_CHECKING:
    from model.definition_findings import DefinitionFinding
    from model.loader import Document
    from model.stacks import EnvironmentStack, ModelStack, ServerStack, ZoneStack

#: Former type tokens under which the installed provider still makes the same resources, with the same inputs.
FORMER_TYPES: Final = {
    "cloudflare:index/accessApplication:AccessApplication": ACCESS_APPLICATION,
    "cloudflare:index/accessGroup:AccessGroup": ACCESS_GROUP,
    "cloudflare:index/accessPolicy:AccessPolicy": ACCESS_POLICY,
    "cloudflare:index/devicePostureRule:DevicePostureRule": POSTURE_RULE,
    "cloudflare:index/record:Record": DNS_RECORD,
    "cloudflare:index/tunnel:Tunnel": TUNNEL,
    "cloudflare:index/tunnelConfig:TunnelConfig": TUNNEL_CONFIG,
}
KONG_PROVIDER: Final = "pulumi:providers:kong"


@dataclass(frozen=True)
class Subject:
    """One stack as rules see it.

    Args:
        graph: the plan.
        production: whether the environment says `production: true`.
        environment, server, model, zone: the files behind the plan, where it was made from files.
        findings: what the guard's own rules find in the lock's definitions; None where nobody looked. The guard stands on
            the same floor as the plan, so whoever runs the rules hands them down.
        engine: whether the graph is that of a real preview, in which ids do not exist before the first deployment. What
            cannot be read for that reason is no finding there: the program has run the same rules on symbolic ids before.
        today: the day by which exceptions are judged.
    """

    graph: Graph
    production: bool = False
    environment: EnvironmentStack | None = None
    server: ServerStack | None = None
    model: ModelStack | None = None
    zone: ZoneStack | None = None
    engine: bool = False
    findings: tuple[DefinitionFinding, ...] | None = None
    today: date = field(default_factory=today_utc)

    @property
    def perimeter(self) -> ServerStack | ModelStack | None:
        """The server or model route that the plan is of; None for an environment, a zone and a plan without files."""
        return self.server or self.model

    @property
    def document(self) -> Document | None:
        """The stack file."""
        for stack in (self.perimeter, self.zone, self.environment):
            if stack is not None:
                return stack.document
        return None

    @property
    def manifest_key(self) -> str:
        if self.server is not None:
            return "ringwall:server"
        if self.model is not None:
            return "ringwall:model"
        return "ringwall:zone" if self.zone is not None else "ringwall:environment"

    @cached_property
    def exposure(self) -> tuple[Finding, ...]:
        return check_exposure(self.graph)

    @cached_property
    def _plugins(self) -> dict[str, list[Resource]]:
        plugins: dict[str, list[Resource]] = {}
        for plugin in self.graph.by_type(KONG_PLUGIN):
            for service in linked(self.graph, plugin, "serviceId", KONG_SERVICE):
                plugins.setdefault(service.urn, []).append(plugin)
        return plugins

    def plugins_of(self, service: Resource) -> dict[str, Resource]:
        """The enabled plugins by kind that hold for the whole service."""
        return {
            str(plugin.inputs.get("name")): plugin
            for plugin in self._plugins.get(service.urn, [])
            if plugin.inputs.get("enabled", True) is True and not is_narrow(plugin)
        }

    @cached_property
    def mcp_services(self) -> tuple[Resource, ...]:
        """Services that a public route leads to and that do not answer every request by themselves."""
        return tuple(
            service for service, routes in self._routed if not self._closed(service) and not all(map(_is_inner, routes))
        )

    @cached_property
    def direct_services(self) -> tuple[Resource, ...]:
        """Those of them that lead to providers: of a model route without a guard."""
        return tuple(service for service in self.mcp_services if "ai-proxy-advanced" in self.plugins_of(service))

    @cached_property
    def provider_services(self) -> tuple[Resource, ...]:
        """Every service that leads to providers."""
        return (*self.inner_services, *self.direct_services)

    @property
    def lacks_guard(self) -> bool:
        """Whether the plan is of a model route without a guard: every public route leads to providers, and no guard is
        declared."""
        return bool(self.mcp_services) and self.guard_resource is None and self.direct_services == self.mcp_services

    @cached_property
    def inner_services(self) -> tuple[Resource, ...]:
        """Services of inner routes alone, by which a model route's guard reaches the providers."""
        return tuple(service for service, routes in self._routed if all(map(_is_inner, routes)))

    @cached_property
    def _routed(self) -> tuple[tuple[Resource, tuple[Resource, ...]], ...]:
        """Every service with the routes that lead to it, in order of URNs."""
        services: dict[str, tuple[Resource, list[Resource]]] = {}
        for route in self.graph.by_type(KONG_ROUTE):
            for service in linked(self.graph, route, "serviceId", KONG_SERVICE):
                services.setdefault(service.urn, (service, []))[1].append(route)
        return tuple((service, tuple(routes)) for _, (service, routes) in sorted(services.items()))

    @cached_property
    def mcp_routes(self) -> tuple[Resource, ...]:
        mcp = {service.urn for service in self.mcp_services}
        return tuple(
            route
            for route in self.graph.by_type(KONG_ROUTE)
            if any(service.urn in mcp for service in linked(self.graph, route, "serviceId", KONG_SERVICE))
        )

    def _closed(self, service: Resource) -> bool:
        active = self.plugins_of(service)
        stop = active.get(_TERMINATION)
        return stop is not None and _is_unconditional(stop) and not active.keys() - {_TERMINATION, *_BESIDE_TERMINATION}

    @property
    def guard_resource(self) -> Resource | None:
        guards = self.graph.by_type(GUARD)
        return guards[0] if guards else None

    @property
    def origin_resource(self) -> Resource | None:
        origins = self.graph.by_type(ORIGIN)
        return origins[0] if origins else None

    @cached_property
    def guard(self) -> dict[str, Any] | None:
        """The guard's configuration (format `model.guard_config.GuardConfig`); None where there is none to read."""
        return _document(self.graph.outputs.get("guard_config"))

    @property
    def is_model(self) -> bool:
        """Whether the guard is a model route's (format `model.model_guard_config.ModelGuardConfig`)."""
        return "model_route" in (self.guard or {})

    @cached_property
    def host_bundle(self) -> dict[str, Any] | None:
        """What the host runs (format `model.host_bundle.HostBundle`); None where there is none to read."""
        return _document(self.graph.outputs.get("host_bundle"))

    @property
    def not_yet_known(self) -> bool:
        """Whether the guard's configuration is only unknown: a real preview before the first deployment."""
        return self.engine and (
            "guard_config" not in self.graph.outputs or is_unknown(self.graph.outputs["guard_config"])
        )

    @cached_property
    def risks(self) -> dict[str, str]:
        """Risk of every locked tool by name."""
        lock = (self.guard or {}).get("tool_lock")
        tools = lock.get("tools") if isinstance(lock, Mapping) else None
        return {
            str(tool.get("name")): str(tool.get("risk"))
            for tool in (tools if isinstance(tools, list) else [])
            if isinstance(tool, Mapping)
        }


def _is_inner(route: Resource) -> bool:
    hosts = items(route.inputs.get("hosts"))
    return bool(hosts) and all(str(host).lower().endswith(f".{INNER_DOMAIN}") for host in hosts)


def current_types(graph: Graph) -> Graph:
    """The graph with former type tokens replaced by the ones that rules know; URNs stay."""
    if not any(resource.type in FORMER_TYPES for resource in graph.resources):
        return graph
    renamed = [replace(resource, type=FORMER_TYPES.get(resource.type, resource.type)) for resource in graph.resources]
    return replace(graph, resources=tuple(renamed))


def plugin_config(plugin: Resource) -> dict[str, Any] | None:
    """A Kong plugin's configuration, or None where it is secret, unknown or no JSON object."""
    return _document(plugin.inputs.get("configJson"))


def _document(value: Json) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) and not any(str(key).startswith("$") for key in value) else None


def mapping(value: Json) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one: what cannot be read has none of the keys a rule asks for."""
    return value if isinstance(value, Mapping) else {}


def items(value: Json) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def host_of(address: str) -> str:
    """The host of ``host:port``, ``[::1]:port`` or a URL; empty when it has none."""
    try:
        return urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""


def strings(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text inside a value with the keys that lead to it; JSON inside a text is opened."""
    if isinstance(value, str):
        inner = _opened(value)
        if inner is None:
            yield path, value
        else:
            yield from strings(inner, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings(item, (*path, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, path)


def _opened(text: str) -> Json | None:
    if text[:1] not in ("{", "["):
        return None
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None
