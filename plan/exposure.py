"""Proves on the plan that no public name answers before all of its protection stands.

The engine creates a resource after its ancestors and destroys it before them. So when everything that protects a
server is an ancestor of its DNS record, the name appears last and goes first, on create and on destroy alike. Updates
and replacements of a running server are judged by the engine's recorded steps instead.

What cannot be proven from the graph (an unknown tunnel, a secret ingress) is a finding, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from plan.exposed import app_hosts as app_hosts
from plan.exposed import exposed
from plan.exposed import linked as linked
from plan.findings import Finding, Severity, in_order
from plan.graph import Graph, Resource
from plan.portal_exposure import check_portal_record, leads_to_portal
from plan.protectors import ACCESS_APPLICATION as ACCESS_APPLICATION
from plan.protectors import ACCESS_POLICY as ACCESS_POLICY
from plan.protectors import DNS_RECORD as DNS_RECORD
from plan.protectors import KONG_PLUGIN as KONG_PLUGIN
from plan.protectors import KONG_ROUTE as KONG_ROUTE
from plan.protectors import KONG_SERVICE as KONG_SERVICE
from plan.protectors import PROTECTING as PROTECTING
from plan.protectors import TUNNEL as TUNNEL
from plan.protectors import TUNNEL_CONFIG as TUNNEL_CONFIG
from plan.values import Json, is_marker, is_unknown, symbol

#: The service of the last ingress rule, which answers every host name that no other rule serves.
CATCH_ALL: Final = "http_status:404"

#: Inputs that make a plugin hold for part of a service only.
_NARROWING: Final = ("routeId", "consumerId", "consumerGroupId")

#: Kong plugins that refuse a request without a credential (Kong plugin hub, "Authentication"). `pre-function`, `acl`
#: and rate limits are not among them: alone they authenticate nobody.
AUTHENTICATING: Final = frozenset(
    {
        "jwt",
        "openid-connect",
        "ai-mcp-oauth2",
        "oauth2",
        "oauth2-introspection",
        "jwt-signer",
        "key-auth",
        "key-auth-enc",
        "basic-auth",
        "hmac-auth",
        "mtls-auth",
        "header-cert-auth",
        "ldap-auth",
        "ldap-auth-advanced",
        "vault-auth",
    }
)

#: Answers every request itself (without a `trigger`), so that nothing behind its service is reachable. The only other
#: plugin allowed on such a service is `cors`, which answers preflights and passes nothing on either.
_TERMINATION: Final = "request-termination"
_BESIDE_TERMINATION: Final = frozenset({"cors"})


def check_exposure(graph: Graph) -> tuple[Finding, ...]:
    """What in a stack's plan lets a hostname answer unprotected, at any moment of a create or destroy.

    Empty means proven. Rules: `exposure-order`, `exposure-ring-missing`, `exposure-dns-target`, `exposure-dns-name`,
    `exposure-dns-proxied`, `exposure-route-order`, `exposure-route-unauthenticated`, `exposure-unlinked`,
    `exposure-portal`, `exposure-ingress-access`, `exposure-ingress-catch-all`, `exposure-ingress-unreadable`,
    `exposure-ingress-ignored`,
    and as a warning `exposure-ingress-on-host`: the ingress of a locally managed tunnel is a file on the host, which
    no plan of cloud resources can prove.
    """
    return in_order([*_dns_records(graph), *_routes(graph), *_ingress(graph)])


def _dns_records(graph: Graph) -> Iterator[Finding]:
    protecting = [resource for resource in graph.resources if resource.type in PROTECTING]
    for record in graph.by_type(DNS_RECORD):
        ancestors = graph.ancestors(record.urn)
        for resource in protecting:
            if resource.urn not in ancestors:
                yield exposed(
                    "order",
                    record,
                    f"can appear before {resource.type.rsplit(':', 1)[-1]} {resource.name} stands, or outlive it",
                    f"add {resource.name} to the record's depends_on",
                )
        if leads_to_portal(record):
            yield from check_portal_record(graph, record)
            continue
        tunnels = linked(graph, record, "content", TUNNEL)
        local = [tunnel for tunnel in tunnels if _is_local(tunnel)]
        for token in (ACCESS_APPLICATION, *([] if local else [TUNNEL_CONFIG]), KONG_ROUTE, KONG_PLUGIN):
            if not graph.by_type(token):
                yield exposed(
                    "ring-missing",
                    record,
                    f"publishes a name although the stack declares no {token.rsplit(':', 1)[-1]}",
                    "declare all rings of a server in the stack that names it",
                )
        for tunnel in local:
            yield Finding(
                "exposure-ingress-on-host",
                Severity.WARNING,
                tunnel.urn,
                f"tunnel {tunnel.name} is managed on its host: this plan cannot prove that its ingress requires Access",
                "let `ringwall verify` prove it on the running host, or manage the tunnel remotely",
            )
        yield from _dns_target(record, tunnels)
        yield from _dns_name(graph, record, tunnels)


def _is_local(tunnel: Resource) -> bool:
    """The provider's default is a tunnel configured by a file on its host."""
    return tunnel.inputs.get("configSrc", "local") == "local"


def _dns_target(record: Resource, tunnels: list[Resource]) -> Iterator[Finding]:
    content = record.inputs.get("content")
    hosts = [f"{symbol(tunnel.name, 'id')}.cfargotunnel.com" for tunnel in tunnels]
    # Without symbolic ids the content is unknown, and its dependency on the tunnel is all there is to judge.
    points_at_tunnel = bool(tunnels) and (content in hosts or is_unknown(content))
    if not points_at_tunnel or record.inputs.get("type") != "CNAME":
        yield exposed(
            "dns-target",
            record,
            f"points at {_shown(content)}, which is no tunnel of this stack",
            "make it a CNAME to <tunnel id>.cfargotunnel.com of a tunnel declared in the same stack",
        )
    if record.inputs.get("proxied") is not True:
        yield exposed(
            "dns-proxied",
            record,
            "is not proxied, so requests would not pass Cloudflare Access",
            "set proxied to true",
        )


def _dns_name(graph: Graph, record: Resource, tunnels: list[Resource]) -> Iterator[Finding]:
    name = record.inputs.get("name")
    if not isinstance(name, str):
        yield exposed("dns-name", record, "has a name the plan cannot read", "give it as plain text")
        return
    if not any(fnmatchcase(name, host) for app in graph.by_type(ACCESS_APPLICATION) for host in app_hosts(app)):
        yield exposed(
            "dns-name",
            record,
            f"publishes {name}, which no Access application of this stack covers as a whole host",
            "name the host as a public destination (or the domain) of an Access application, without a path",
        )
    remote = {tunnel.urn for tunnel in tunnels if not _is_local(tunnel)}
    served = {
        rule.get("hostname")
        for config in graph.by_type(TUNNEL_CONFIG)
        if remote & {tunnel.urn for tunnel in linked(graph, config, "tunnelId", TUNNEL)}
        for rule in ingress_rules(config) or ()
    }
    if remote and name not in served:
        yield exposed(
            "dns-name",
            record,
            f"publishes {name}, which no ingress rule of its tunnel serves",
            "add an ingress rule for that hostname, with required Access",
        )


def _routes(graph: Graph) -> Iterator[Finding]:
    plugins: dict[str, list[Resource]] = {}
    for plugin in graph.by_type(KONG_PLUGIN):
        services = linked(graph, plugin, "serviceId", KONG_SERVICE)
        if plugin.inputs.get("serviceId") is not None and not services:
            yield exposed(
                "unlinked",
                plugin,
                f"belongs to the service {_shown(plugin.inputs.get('serviceId'))}, which is not in this stack",
                "take the service id from a service declared in the same stack",
            )
        for service in services:
            plugins.setdefault(service.urn, []).append(plugin)
    for route in graph.by_type(KONG_ROUTE):
        services = linked(graph, route, "serviceId", KONG_SERVICE)
        if not services:
            yield exposed(
                "unlinked",
                route,
                f"leads to the service {_shown(route.inputs.get('serviceId'))}, which is not in this stack",
                "take the service id from a service declared in the same stack",
            )
        for service in services:
            yield from _route(graph, route, service, plugins.get(service.urn, []))


def _route(graph: Graph, route: Resource, service: Resource, plugins: list[Resource]) -> Iterator[Finding]:
    ancestors = graph.ancestors(route.urn)
    for plugin in plugins:
        # Also the terminating plugin of an open service: until it stands, the route reaches what is behind it.
        if plugin.urn not in ancestors:
            yield exposed(
                "route-order",
                route,
                f"can answer before the plugin {plugin.name} of its service {service.name} stands",
                f"add {plugin.name} to the route's depends_on",
            )
    if lets_strangers_in(plugins):
        yield exposed(
            "route-unauthenticated",
            route,
            f"leads to the service {service.name}, which has no authenticating plugin",
            "attach jwt or openid-connect to the service; an open route needs a service of its own with "
            "request-termination alone",
        )


def lets_strangers_in(plugins: list[Resource]) -> bool:
    """Whether a service with these plugins passes on requests of callers that nothing has authenticated."""
    enabled = [plugin for plugin in plugins if plugin.inputs.get("enabled", True) is True]
    active = {plugin.inputs.get("name"): plugin for plugin in enabled if not is_narrow(plugin)}
    terminated = _TERMINATION in active and _is_unconditional(active[_TERMINATION])
    # A narrower plugin stands in the place of the service's own of that name (Kong docs, "Plugin precedence").
    closed = terminated and not any(
        is_narrow(plugin) or plugin.inputs.get("name") not in (_TERMINATION, *_BESIDE_TERMINATION) for plugin in enabled
    )
    return not active.keys() & AUTHENTICATING and not closed


def is_narrow(plugin: Resource) -> bool:
    """Whether a plugin holds for one route or consumer, not for all that its service answers."""
    return any(plugin.inputs.get(key) is not None for key in _NARROWING)


def _is_unconditional(termination: Resource) -> bool:
    """Whether a terminating plugin ends every request: with a `trigger` it lets the others through."""
    config = termination.inputs.get("configJson", "{}")
    try:
        settings = json.loads(config) if isinstance(config, str) else None
    except ValueError:
        return False
    return isinstance(settings, dict) and settings.get("trigger") is None


def _ingress(graph: Graph) -> Iterator[Finding]:
    for config in graph.by_type(TUNNEL_CONFIG):
        for tunnel in linked(graph, config, "tunnelId", TUNNEL):
            if _is_local(tunnel):
                yield exposed(
                    "ingress-ignored",
                    config,
                    f"configures the tunnel {tunnel.name}, which reads a file on its host instead",
                    'set configSrc to "cloudflare" on the tunnel',
                )
        rules = ingress_rules(config)
        if rules is None:
            yield exposed(
                "ingress-unreadable",
                config,
                "has ingress rules the plan cannot read",
                "give them as plain values, without secrets or values known only after the deployment",
            )
            continue
        for rule in rules:
            if rule.get("hostname") is None and rule.get("service") == CATCH_ALL and not rule.get("path"):
                continue
            if not requires_access(rule):
                yield exposed(
                    "ingress-access",
                    config,
                    f"serves {_shown(rule.get('hostname'))} without requiring Access",
                    "set originRequest.access.required and audTags on that very rule",
                )
        last = rules[-1] if rules else {}
        if last.get("service") != CATCH_ALL or last.get("hostname") is not None or last.get("path"):
            yield exposed(
                "ingress-catch-all",
                config,
                "does not end in a rule that refuses everything else",
                "make the last ingress rule http_status:404, without hostname and path",
            )


def requires_access(rule: Mapping[str, Json]) -> list[Json]:
    """The audiences of which an ingress rule requires one in the assertion; empty where it requires no assertion.

    cloudflared checks by the rule's own `access` alone; an `access` on top level is never enforced. An audience that is not
    known yet counts as an audience; an empty one, or a list that is secret as a whole, does not.
    """
    request = rule.get("originRequest")
    access = request.get("access") if isinstance(request, Mapping) else None
    if not isinstance(access, Mapping) or access.get("required") is not True:
        return []
    tags = access.get("audTags")
    if not isinstance(tags, list) or not all(tag and (isinstance(tag, str) or is_marker(tag)) for tag in tags):
        return []
    return list(tags)


def ingress_rules(config: Resource) -> list[Mapping[str, Json]] | None:
    """The rules of a tunnel configuration, or None where one is unknown, secret or no object."""
    inner = config.inputs.get("config")
    rules = inner.get("ingresses", []) if isinstance(inner, Mapping) and not is_marker(inner) else None
    if not isinstance(rules, list):
        return None
    readable = [rule for rule in rules if isinstance(rule, Mapping) and not is_marker(rule)]
    return readable if len(readable) == len(rules) else None


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
