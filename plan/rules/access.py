"""Rules for the first ring's Access policies and groups: whom they admit, and from where.

Applications, the tunnel and the public name are judged in `plan.rules.edge`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from plan.exposure import linked
from plan.findings import Severity
from plan.graph import Graph, Resource
from plan.protectors import ACCESS_APPLICATION, ACCESS_GROUP, ACCESS_POLICY
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping
from plan.values import Json, symbol

POLICIES: Final = "Cloudflare One docs, Access policies"
_ADMITTING: Final = frozenset({"allow", "non_identity"})
#: Selectors that admit everybody: they name no person, group or token of their own.
_EVERYBODY: Final = {
    "everyone": "Everyone",
    "anyValidServiceToken": "any service token",
    "any_valid_service_token": "any service token",
    "certificate": "any client certificate",
}


@rule(
    id="edge-policy-bypass",
    severity=Severity.ERROR,
    reason="A bypass policy turns Access off for whom it matches, before any other policy is asked; nothing is logged.",
    remedy="use allow for people and non_identity for service tokens",
    source=POLICIES + ": bypass and Service Auth are evaluated before block and allow",
    waivable=False,
)
def policy_bypass(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        decision = policy.get("decision")
        if not isinstance(decision, str) or decision not in (*_ADMITTING, "deny"):
            problem = "bypasses Access" if decision == "bypass" else "has a decision the plan cannot read"
            yield Broken(problem, resource)
    for app in subject.graph.by_type(ACCESS_APPLICATION):
        if app.inputs.get("optionsPreflightBypass") not in (None, False):
            yield Broken(
                "lets OPTIONS requests past Access",
                app,
                "set options_preflight_bypass to false; the gateway's cors plugin answers preflights",
            )


#: Selectors that say where, how or on which device somebody signs in, and not who: under `include` they admit anybody.
_ANYBODY: Final = frozenset({"geo", "ip", "ipList", "loginMethod", "authMethod", "devicePosture", "userRiskScore"})


@rule(
    id="edge-policy-everyone",
    severity=Severity.ERROR,
    reason="`everyone` admits the whole internet. `any_valid_service_token` admits every agent of the account. A country,"
    " address, device or login method under `include` admits everybody who matches it, known or not.",
    remedy="name people by address, domain or group, and agents by their own token",
    source=POLICIES + ", selectors",
    waivable=False,
)
def policy_everyone(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        if policy.get("decision") != "deny":
            yield from _everybody(resource, policy.get("includes"))
            yield from _anybody(subject, resource, policy.get("includes"))
    for group in subject.graph.by_type(ACCESS_GROUP):
        yield from _everybody(group, group.inputs.get("includes"))


def _everybody(resource: Resource, includes: Json) -> Iterator[Broken]:
    rules = items(includes)
    if not rules or not all(
        isinstance(selectors, Mapping) and selectors and not _is_marked(selectors) for selectors in rules
    ):
        yield Broken("does not say whom it admits in a way the plan can read", resource)
    for selectors in rules:
        for selector, value in mapping(selectors).items():
            if selector in _EVERYBODY and value is not None:
                yield Broken(f"admits {_EVERYBODY[selector]}", resource)
    if network := _all_addresses(rules):
        yield Broken(f"admits every address ({network})", resource)


def _anybody(subject: Subject, resource: Resource, includes: Json) -> Iterator[Broken]:
    for selector in sorted({selector for selectors in items(includes) for selector in _named(selectors)} & _ANYBODY):
        yield Broken(f"admits whoever matches {selector}, as an alternative to the others", resource)
    for group in _groups_in(subject, resource, includes):
        named = {selector for inner in items(group.inputs.get("includes")) for selector in _named(inner)}
        for selector in sorted(_ANYBODY & named):
            yield Broken(f"admits by the group {group.name} whoever matches {selector}", resource)


def _named(selectors: Json) -> set[str]:
    """The selectors that an Access rule sets; the engine shows the other fields of the provider's record as null."""
    return {selector for selector, value in mapping(selectors).items() if value is not None}


def _groups_in(subject: Subject, resource: Resource, includes: Json) -> list[Resource]:
    """The groups of this stack that `includes` names, and those that they include in turn."""
    groups_by_urn: dict[str, Resource] = {}
    waiting = [(resource, includes)]
    while waiting:
        holder, rules = waiting.pop()
        ids = [mapping(mapping(selectors).get("group")).get("id") for selectors in items(rules)]
        groups = [group for group in subject.graph.by_type(ACCESS_GROUP) if symbol(group.name, "id") in ids]
        if subject.engine and any(id is not None for id in ids):
            # A real id does not tell which group it is; the resources that the rules are made from do.
            groups += linked(subject.graph, holder, "includes", ACCESS_GROUP)
        for group in groups:
            if group.urn not in groups_by_urn:
                groups_by_urn[group.urn] = group
                waiting.append((group, group.inputs.get("includes")))
    return [groups_by_urn[urn] for urn in sorted(groups_by_urn)]


@rule(
    id="edge-agent-unbound",
    severity=Severity.ERROR,
    reason="A service token is a bearer secret: stolen, it works from anywhere unless its policy says from where.",
    remedy="give the agent countries or addresses, and posture where it runs on a managed device",
    source=POLICIES + ": Service Auth is evaluated before a deny policy by country",
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
    source=POLICIES + ", order of execution; two geo rules under require match nobody",
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
    source=POLICIES + ": require is AND, include is OR",
)
def policy_unmatchable(subject: Subject) -> Iterator[Broken]:
    for resource, policy in _policies(subject.graph):
        if sum(1 for selectors in items(policy.get("requires")) if "geo" in mapping(selectors)) > 1:
            yield Broken("requires several countries at once", resource)


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
        "devicePosture" in mapping(selectors)
        for selectors in items(policy.get("requires"))
        if not _is_marked(selectors)
    )


def _placed(subject: Subject, resource: Resource, policy: Mapping[str, Any]) -> bool:
    required = [mapping(selectors) for selectors in items(policy.get("requires"))]
    if any(_is_place(subject.graph, selectors) for selectors in required):
        return True
    if not subject.engine or not any("group" in selectors for selectors in required):
        return False
    # A real id does not tell which group it is; that the condition is made from a group of countries or addresses does.
    groups = linked(subject.graph, resource, "requires", ACCESS_GROUP)
    return any(_holds_places(subject.graph, group) for group in groups)


def _is_place(graph: Graph, selector: Mapping[str, Any]) -> bool:
    """Whether a selector restricts from where a request comes: by country, by an address range that is not every address, or
    by a group of nothing but these."""
    if "geo" in selector:
        return bool(selector["geo"])
    if "ip" in selector:
        network = _network(selector["ip"])
        return network is not None and network.prefixlen > 0
    if "ipList" in selector:
        return bool(selector["ipList"])
    id = mapping(selector.get("group")).get("id")
    return any(id == symbol(group.name, "id") and _holds_places(graph, group) for group in graph.by_type(ACCESS_GROUP))


def _holds_places(graph: Graph, group: Resource) -> bool:
    rules = items(group.inputs.get("includes"))
    return bool(rules) and all(
        "group" not in mapping(selectors) and _is_place(graph, mapping(selectors)) for selectors in rules
    )


def _all_addresses(rules: Iterable[Json]) -> str | None:
    """``0.0.0.0/0`` or ``::/0`` where the ranges of the rules together cover every address, else None."""
    networks = [network for selectors in rules if (network := _network(mapping(selectors).get("ip"))) is not None]
    v4 = ipaddress.collapse_addresses([network for network in networks if isinstance(network, ipaddress.IPv4Network)])
    v6 = ipaddress.collapse_addresses([network for network in networks if isinstance(network, ipaddress.IPv6Network)])
    joined: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = [*v4, *v6]
    return next((str(network) for network in joined if network.prefixlen == 0), None)


def _network(value: Json) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(str(mapping(value).get("ip")), strict=False)
    except ValueError:
        return None


def _is_marked(value: Json) -> bool:
    return isinstance(value, Mapping) and any(str(key).startswith("$") for key in value)


RULES: Final[tuple[Rule, ...]] = (
    policy_bypass,
    policy_everyone,
    agent_unbound,
    policy_country,
    policy_unmatchable,
)
