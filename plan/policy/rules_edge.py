"""The first ring: who Access admits, from where, and what the tunnel and the name do.

Names and order of exposure are judged by `plan.exposure`; its findings stand here as rules of their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from plan.exposure import ACCESS_APPLICATION, TUNNEL, TUNNEL_CONFIG, _ingress_rules
from plan.exposure import _linked as linked
from plan.findings import Finding, Severity
from plan.graph import Graph, Resource
from plan.policy.rule import Broken, Rule, rule
from plan.policy.subject import Subject, host_of, is_loopback, items, mapping
from plan.values import Json, symbol

ACCESS_POLICY: Final = "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy"
ACCESS_GROUP: Final = "cloudflare:index/zeroTrustAccessGroup:ZeroTrustAccessGroup"
RULESET: Final = "cloudflare:index/ruleset:Ruleset"
_POLICIES: Final = "Cloudflare One docs, Access policies"
_ADMITTING: Final = frozenset({"allow", "non_identity"})
#: Selectors that admit whoever comes: no group, address or token of one's own stands behind them.
_EVERYBODY: Final = frozenset({"everyone", "anyValidServiceToken", "any_valid_service_token"})


def _exposed(id: str, reason: str, severity: Severity = Severity.ERROR, remedy: str = "") -> Rule:
    """A rule whose findings `plan.exposure` makes. None may be waived but the one it cannot prove."""

    def check(subject: Subject) -> Iterable[Finding]:
        return (finding for finding in subject.exposure if finding.rule_id == id)

    return rule(
        id=id,
        severity=severity,
        reason=reason,
        remedy=remedy,
        source="the engine's dependency order (pkg/resource/graph); Cloudflare Tunnel docs, origin parameters",
        waivable=severity is not Severity.ERROR,
    )(check)


EXPOSURE: Final = (
    _exposed(
        "exposure-order",
        "A public name that does not wait for every protecting resource answers before they stand, or outlives them.",
        remedy="add the resource to the record's depends_on",
    ),
    _exposed(
        "exposure-ring-missing",
        "A stack that publishes a name without one of the rings publishes an unprotected server.",
        remedy="declare all rings of a server in the stack that names it",
    ),
    _exposed(
        "exposure-dns-target",
        "A record that points anywhere but at this stack's tunnel goes round Access and the tunnel's own check.",
        remedy="make it a CNAME to <tunnel id>.cfargotunnel.com of a tunnel declared in the same stack",
    ),
    _exposed(
        "exposure-dns-name",
        "A name that no Access application covers as a whole host, or no ingress serves, has nobody before it.",
        remedy="name the host in an Access application, without a path, and in the ingress",
    ),
    _exposed(
        "exposure-dns-proxied",
        "A record that is not proxied never passes Cloudflare Access.",
        remedy="set proxied to true",
    ),
    _exposed(
        "exposure-route-order",
        "A Kong route that does not wait for its service's plugins answers without them for a moment.",
        remedy="add the plugin to the route's depends_on",
    ),
    _exposed(
        "exposure-route-unauthenticated",
        "A Kong route without an authenticating plugin is open to whoever reaches the gateway.",
        remedy="attach jwt or openid-connect to its service",
    ),
    _exposed(
        "exposure-unlinked",
        "What belongs to a service outside the stack cannot be judged, and what cannot be judged is refused.",
        remedy="take the service id from a service declared in the same stack",
    ),
    _exposed(
        "exposure-ingress-access",
        "cloudflared checks the Access token only where the rule itself has originRequest.access; on top it is ignored.",
        remedy="set originRequest.access.required and audTags on that very rule",
    ),
    _exposed(
        "exposure-ingress-catch-all",
        "Without a last rule that refuses, the tunnel passes on names and paths nobody thought of.",
        remedy="make the last ingress rule http_status:404, without hostname and path",
    ),
    _exposed(
        "exposure-ingress-unreadable",
        "Ingress rules that the plan cannot read cannot be judged.",
        remedy="give them as plain values",
    ),
    _exposed(
        "exposure-ingress-ignored",
        "A locally managed tunnel reads its ingress from a file, so the declared one protects nothing.",
        remedy='set configSrc to "cloudflare" on the tunnel',
    ),
    _exposed(
        "exposure-ingress-on-host",
        "The ingress of a locally managed tunnel is a file on its host, which no plan can prove.",
        Severity.WARNING,
        "let `ringwall verify` prove it on the running host, or manage the tunnel remotely",
    ),
)


@rule(
    id="edge-policy-bypass",
    severity=Severity.ERROR,
    reason="A bypass policy turns Access off for whom it matches, before any other policy is asked; nothing is logged.",
    remedy="use allow for people and non_identity for service tokens",
    source=_POLICIES + ": bypass and Service Auth are evaluated before block and allow",
    waivable=False,
)
def policy_bypass(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        decision = policy.get("decision")
        if not isinstance(decision, str) or decision not in (*_ADMITTING, "deny"):
            what = "bypasses Access" if decision == "bypass" else "has a decision the plan cannot read"
            yield Broken(what, resource)
    for app in subject.graph.by_type(ACCESS_APPLICATION):
        if app.inputs.get("optionsPreflightBypass") not in (None, False):
            yield Broken(
                "lets OPTIONS requests past Access",
                app,
                "set options_preflight_bypass to false; the gateway's cors plugin answers preflights",
            )


#: Selectors that say where or how somebody signs in, not who: as an alternative they admit whoever does.
_ANYBODY: Final = frozenset({"geo", "loginMethod", "authMethod"})


@rule(
    id="edge-policy-everyone",
    severity=Severity.ERROR,
    reason="Everyone admits the whole internet, any valid service token every agent of the account, and a country or login"
    " method under include whoever comes from there or signs in that way.",
    remedy="name people by address, domain or group, and agents by their own token",
    source=_POLICIES + ", selectors",
    waivable=False,
)
def policy_everyone(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        if policy.get("decision") != "deny":
            yield from _everybody(resource, policy.get("includes"))
            yield from _anybody(subject.graph, resource, policy.get("includes"))
    for group in subject.graph.by_type(ACCESS_GROUP):
        yield from _everybody(group, group.inputs.get("includes"))


def _everybody(resource: Resource, includes: Json) -> Iterator[Broken]:
    rules = items(includes)
    if not rules or not all(isinstance(one, Mapping) and one and not _is_marked(one) for one in rules):
        yield Broken("does not say whom it admits in a way the plan can read", resource)
    for one in rules:
        for selector, value in mapping(one).items():
            if selector in _EVERYBODY and value is not None:
                yield Broken("admits Everyone" if selector == "everyone" else "admits any service token", resource)
            network = _network(selector, value)
            if network is not None and network.prefixlen == 0:
                yield Broken(f"admits every address ({network})", resource)


def _anybody(graph: Graph, resource: Resource, includes: Json) -> Iterator[Broken]:
    for one in map(mapping, items(includes)):
        for selector in sorted(_ANYBODY & one.keys()):
            yield Broken(f"admits whoever matches {selector}, as an alternative to the others", resource)
        id = mapping(one.get("group")).get("id")
        for group in graph.by_type(ACCESS_GROUP):
            if id == symbol(group.name, "id"):
                named = {selector for inner in items(group.inputs.get("includes")) for selector in mapping(inner)}
                for selector in sorted(_ANYBODY & named):
                    yield Broken(f"admits by the group {group.name} whoever matches {selector}", resource)


@rule(
    id="edge-agent-unbound",
    severity=Severity.ERROR,
    reason="A service token is a bearer secret: stolen, it works from anywhere unless its policy says from where.",
    remedy="give the agent countries or addresses, and posture where it runs on a managed device",
    source=_POLICIES + ": Service Auth is evaluated before a deny policy by country",
)
def agent_unbound(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        if policy.get("decision") == "non_identity" and not _bound(subject, resource, policy):
            yield Broken("admits an agent from anywhere and any device", resource, key=("agents",))


@rule(
    id="edge-policy-country",
    severity=Severity.ERROR,
    reason="Service Auth runs before any deny by country, so the country or address rule must stand in every policy.",
    remedy="require one group of countries or addresses in this policy too",
    source=_POLICIES + ", order of execution; two geo rules under require match nobody",
)
def policy_country(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        decision = str(policy.get("decision"))
        # An agent without any condition has a finding of its own.
        if decision == "non_identity" and not _bound(subject, resource, policy):
            continue
        if decision in _ADMITTING and not _placed(subject, resource, policy):
            yield Broken("does not say from where requests may come", resource, key=("countries",))


@rule(
    id="edge-policy-unmatchable",
    severity=Severity.WARNING,
    reason="Every rule under require must hold at once, and no request comes from two countries: it admits nobody.",
    remedy="put the countries into one Access group and require that",
    source=_POLICIES + ": require is AND, include is OR",
)
def policy_unmatchable(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        if sum(1 for one in items(policy.get("requires")) if "geo" in mapping(one)) > 1:
            yield Broken("requires several countries at once", resource)


@rule(
    id="edge-application-open",
    severity=Severity.ERROR,
    reason="An Access application that carries no policy depends on whatever somebody adds by hand.",
    remedy="attach the policies of the people and agents it is for",
    source=_POLICIES,
)
def application_open(subject: Subject) -> Iterator[Broken]:
    for app in subject.graph.by_type(ACCESS_APPLICATION):
        if not items(app.inputs.get("policies")):
            yield Broken("carries no policy", app, key=("access",))


@rule(
    id="edge-ingress-target",
    severity=Severity.ERROR,
    reason="An ingress rule that leads anywhere but to the gateway skips the gateway, or the guard as well.",
    remedy="let the rule lead to http://127.0.0.1:<gateway_port>",
    source="Ringwall's road of a request: edge, gateway, guard, origin",
)
def ingress_target(subject: Subject) -> Iterator[Broken]:
    listen = mapping((subject.host_bundle or {}).get("kong")).get("settings")
    gateway = mapping(listen).get("proxy_listen")
    for config in subject.graph.by_type(TUNNEL_CONFIG):
        for one in _ingress_rules(config) or ():
            service = one.get("service")
            if not isinstance(service, str) or service.startswith("http_status:"):
                continue
            address = service.partition("://")[2]
            if not is_loopback(host_of(service)):
                yield Broken(f"leads {_name(one)} to {service}, beyond loopback", config, key=("host",))
            elif isinstance(gateway, str) and address != gateway:
                yield Broken(f"leads {_name(one)} to {service}, which is not the gateway", config, key=("host",))


@rule(
    id="edge-tunnel-unprotected",
    severity=Severity.ERROR,
    reason="Deleting or replacing a tunnel or an Access application of a running server takes it off, or opens it.",
    remedy="set protect on it; unprotect it in a step of its own when it must go",
    source="Pulumi docs, protect",
)
def tunnel_unprotected(subject: Subject) -> Iterator[Broken]:
    if not subject.production:
        return
    for token in (TUNNEL, ACCESS_APPLICATION):
        for resource in subject.graph.by_type(token):
            if not resource.protect:
                yield Broken("is not protected although its environment is in production", resource)


@rule(
    id="edge-zone-unprotected",
    severity=Severity.ERROR,
    reason="A zone has one entry point for custom rules, with other people's rules in it; deleting it drops them all.",
    remedy="set protect and retain_on_delete on the ruleset",
    source="Cloudflare Ruleset Engine docs: one entry point per phase and zone",
)
def zone_unprotected(subject: Subject) -> Iterator[Broken]:
    for resource in subject.graph.by_type(RULESET):
        # The engine does not show policies whether a resource is retained.
        if not resource.protect or not (subject.engine or resource.options.get("retain_on_delete") is True):
            yield Broken("is not both protected and retained on delete", resource)


@rule(
    id="hosted-client",
    severity=Severity.INFO,
    reason="A hosted client calls from its vendor's cloud: no device posture and no user country can be asked of it.",
    remedy="nothing, if that is what you mean; its host name and grants are its own",
    source="Anthropic and OpenAI docs, egress addresses of hosted MCP clients",
)
def hosted_client(subject: Subject) -> Iterator[Broken]:
    if subject.environment is None or subject.server is not None:
        return
    from components.access_rules import environment_policies

    policies = environment_policies(subject.environment.settings, subject.environment.manifests)
    for policy in policies.values():
        if policy.note:
            yield Broken(f"{policy.key}: {policy.note}", key=("hosted_clients",))


def _policies(graph: Graph) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    """Every reusable policy, and those written inside an application."""
    for resource in graph.by_type(ACCESS_POLICY):
        yield resource, resource.inputs
    for app in graph.by_type(ACCESS_APPLICATION):
        for policy in items(app.inputs.get("policies")):
            if mapping(policy).get("decision") is not None or mapping(policy).get("includes") is not None:
                yield app, mapping(policy)


def _bound(subject: Subject, resource: Resource, policy: Mapping[str, Any]) -> bool:
    return _placed(subject, resource, policy) or any(
        "devicePosture" in mapping(one) for one in items(policy.get("requires")) if not _is_marked(one)
    )


def _placed(subject: Subject, resource: Resource, policy: Mapping[str, Any]) -> bool:
    required = [mapping(one) for one in items(policy.get("requires"))]
    if any(_is_place(subject.graph, one) for one in required):
        return True
    if not subject.engine or not any("group" in one for one in required):
        return False
    # Real ids say nothing; that the condition is made from a group of places does.
    groups = linked(subject.graph, resource, "requires", ACCESS_GROUP)
    return any(_holds_places(subject.graph, group) for group in groups)


def _is_place(graph: Graph, selector: Mapping[str, Any]) -> bool:
    """A country or address range short of all, or a group in which every alternative is one."""
    if "geo" in selector:
        return bool(selector["geo"])
    if "ip" in selector:
        network = _network("ip", selector["ip"])
        return network is not None and network.prefixlen > 0
    if "ipList" in selector:
        return bool(selector["ipList"])
    id = mapping(selector.get("group")).get("id")
    return any(id == symbol(group.name, "id") and _holds_places(graph, group) for group in graph.by_type(ACCESS_GROUP))


def _holds_places(graph: Graph, group: Resource) -> bool:
    rules = items(group.inputs.get("includes"))
    return bool(rules) and all("group" not in mapping(one) and _is_place(graph, mapping(one)) for one in rules)


def _network(selector: str, value: Json) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if selector != "ip":
        return None
    try:
        return ipaddress.ip_network(str(mapping(value).get("ip")), strict=False)
    except ValueError:
        return None


def _is_marked(value: Json) -> bool:
    return isinstance(value, Mapping) and any(str(key).startswith("$") for key in value)


def _name(rule_of_ingress: Mapping[str, Json]) -> str:
    return str(rule_of_ingress.get("hostname") or "everything else")


RULES: Final[tuple[Rule, ...]] = (
    *EXPOSURE,
    policy_bypass,
    policy_everyone,
    agent_unbound,
    policy_country,
    policy_unmatchable,
    application_open,
    ingress_target,
    tunnel_unprotected,
    zone_unprotected,
    hosted_client,
)
