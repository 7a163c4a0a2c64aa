"""Who may pass Cloudflare Access, as data: policies named after their content, groups, and how many of each a project needs.

Pure: the resources are declared in `components.edge.environment` and `components.edge.server`.

Service Auth and Bypass are evaluated before Block and Allow (Cloudflare One docs, "Policies"), so a deny policy by country
does not stop a service token: countries or address ranges stand in **every** policy, agents' included. No policy here uses
bypass, and none that admits anybody the Everyone selector.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from model.environment import Environment, Group
from model.errors import InputError
from model.portal import Portal
from model.server import People, Server
from model.stacks import PerimeterManifest

#: A selector and what it names: ("email", address), ("email_domain", domain), ("group", access group key),
#: ("posture", rule), ("common_name", name), ("agent", name), ("ip", range), ("geo", country), or an identity provider's
#: selector with its Group.
Rule = tuple[str, Any]


@dataclass(frozen=True)
class PolicySpec:
    """One reusable Access policy. `include` is OR, `require` is AND."""

    key: str
    decision: Literal["allow", "non_identity", "deny"]
    session_duration: str
    include: tuple[Rule, ...]
    require: tuple[Rule, ...]
    #: What a reviewer must know about it.
    note: str = ""


@dataclass(frozen=True)
class GroupSpec:
    """One Access group: matches when any rule does."""

    key: str
    include: tuple[Rule, ...] = field(default=())


def countries_key(countries: tuple[str, ...]) -> str:
    """Name of the Access group that stands for a set of countries.

    Two `geo` rules under `require` match nobody (AND), so a set is one group with several `geo` includes. The name lists the
    countries as long as they are few; Cloudflare takes names of 350 characters.
    """
    codes = sorted(countries)
    return "countries-" + ("-".join(codes) if len(codes) <= 12 else f"{len(codes)}-{_short(codes)}")


def addresses_key(addresses: tuple[str, ...]) -> str:
    """Name of the Access group that stands for a set of address ranges."""
    return "addresses-" + _short(sorted(addresses))


def people_policy(settings: Environment, manifest: PerimeterManifest) -> PolicySpec | None:
    """`allow` for people: signed in, from a listed country, on a device that passes every posture rule."""
    people = manifest.access.people
    if people is None:
        return None
    countries = manifest.countries or settings.countries
    require: list[Rule] = [("group", countries_key(countries))]
    require += [("posture", name) for name in sorted(manifest.posture)]
    return _keyed("people", "allow", manifest.session, _people(people), tuple(require))


def hosted_policy(settings: Environment, manifest: PerimeterManifest, client: str) -> PolicySpec:
    """`allow` for people through a hosted client such as claude.ai.

    Such a client calls from its vendor's cloud: the request carries no device and the vendor's country, so posture and
    user countries would reject everyone. What remains is the sign-in and the vendor's published address ranges.
    """
    hosted = manifest.access.hosted_clients[client]
    require: tuple[Rule, ...] = (("group", addresses_key(settings.hosted_clients[client].addresses)),)
    source = settings.hosted_clients[client].source
    note = f"{client} calls from its vendor's addresses ({source}): no device posture and no user country apply"
    return _keyed(f"hosted-{client}", "allow", manifest.session, _people(hosted.people), require, note)


def agent_policy(settings: Environment, agent: str) -> PolicySpec:
    """`non_identity` (Service Auth) for one agent: its own token, from where it may call, on its managed device, with its
    client certificate."""
    described = settings.agents[agent]
    require: list[Rule] = []
    if described.countries:
        require.append(("group", countries_key(described.countries)))
    if described.addresses:
        require.append(("group", addresses_key(described.addresses)))
    if not require:
        raise InputError(f"agent {agent} says neither countries nor addresses", remedy="say where it calls from")
    require += [("posture", name) for name in sorted(described.posture)]
    if described.common_name is not None:
        require.append(("common_name", described.common_name))
    return PolicySpec(f"agent-{agent}", "non_identity", "24h", (("agent", agent),), tuple(require))


def portal_people_policy(settings: Environment, portal: Portal) -> PolicySpec | None:
    """`allow` for the people of the portal, as for those of a server."""
    if portal.people is None:
        return None
    require: list[Rule] = [("group", countries_key(portal.countries or settings.countries))]
    require += [("posture", name) for name in sorted(portal.posture)]
    return _keyed("people", "allow", portal.session, _people(portal.people), tuple(require))


def portal_policies(settings: Environment, portal: Portal) -> list[str]:
    """Policy keys of the portal's own name in order of precedence."""
    people = portal_people_policy(settings, portal)
    agents = [agent_policy(settings, agent).key for agent in sorted(portal.agents)]
    return [*agents, *([people.key] if people else [])]


def portal_server_policies(settings: Environment, portal: Portal, name: str, manifest: PerimeterManifest) -> list[str]:
    """Policy keys of one server as it is offered in the portal: its own people, and the portal's agents where it is called
    as an agent. So the portal shows nobody a server that would refuse them at its own name."""
    people = people_policy(settings, manifest)
    agents = [agent_policy(settings, agent).key for agent in sorted(portal.agents)] if name in portal.shared else []
    return [*agents, *([people.key] if people else [])]


def server_policies(settings: Environment, manifest: PerimeterManifest) -> dict[str, list[str]]:
    """Policy keys of every host name in order of precedence, agents first as Cloudflare evaluates them."""
    agents = [agent_policy(settings, agent).key for agent in sorted(manifest.access.agents)]
    people = people_policy(settings, manifest)
    result = {manifest.hostname: [*agents, *([people.key] if people else [])]}
    for client, hosted in sorted(manifest.access.hosted_clients.items()):
        result[hosted.hostname] = [hosted_policy(settings, manifest, client).key]
    return result


def certificate_hostnames(settings: Environment, servers: Mapping[str, PerimeterManifest]) -> list[str]:
    """The public names at which Access asks for a client certificate: some agent there has a common name."""
    certified = {
        agent_policy(settings, name).key for name, agent in settings.agents.items() if agent.common_name is not None
    }
    policies = [item for manifest in servers.values() for item in server_policies(settings, manifest).items()]
    if settings.portal is not None:
        policies.append((settings.portal.hostname, portal_policies(settings, settings.portal)))
    return sorted(hostname for hostname, keys in policies if certified.intersection(keys))


def lockdown_policy(manifest: PerimeterManifest) -> PolicySpec | None:
    """`deny` for everyone, for a server whose stack file has a `lockdown`; None otherwise.

    It is the only policy of the server's applications.

    First precedence would not do: Service Auth is evaluated before Block (Cloudflare One docs, FAQ "What is the order of
    policy enforcement?"), so an agent's policy left beside it would still admit the agent.
    """
    if manifest.lockdown is None:
        return None
    return PolicySpec("lockdown", "deny", "24h", (("everyone", True),), ())


def environment_policies(settings: Environment, servers: Mapping[str, PerimeterManifest]) -> dict[str, PolicySpec]:
    """Every policy the environment needs, each content once, by key.

    Raises:
        InputError: two contents have one key, so that one policy would silently stand for the other.
    """
    specs = [agent_policy(settings, agent) for agent in settings.agents]
    for manifest in servers.values():
        people = people_policy(settings, manifest)
        specs += [people] if people else []
        specs += [hosted_policy(settings, manifest, client) for client in manifest.access.hosted_clients]
    if settings.portal is not None and (people := portal_people_policy(settings, settings.portal)):
        specs.append(people)
    policies: dict[str, PolicySpec] = {}
    for spec in sorted(specs, key=lambda spec: spec.key):
        if policies.setdefault(spec.key, spec) != spec:
            raise InputError(f"two different Access policies have the key {spec.key}", remedy="change one's session")
    return policies


def access_groups(settings: Environment, servers: Mapping[str, PerimeterManifest]) -> dict[str, GroupSpec]:
    """The user's groups, and one group for each set of countries and of address ranges in use.

    Raises:
        InputError: a group of the user's has the name of such a set, or two sets have one name.
    """
    groups = {name: GroupSpec(name, _members(group)) for name, group in settings.groups.items()}

    def add(group: GroupSpec) -> None:
        if groups.setdefault(group.key, group) != group:
            raise InputError(
                f"two different Access groups have the name {group.key}", remedy=f"rename groups.{group.key}"
            )

    country_sets = {agent.countries for agent in settings.agents.values() if agent.countries}
    country_sets |= {
        manifest.countries or settings.countries for manifest in servers.values() if manifest.access.people
    }
    if settings.portal is not None and settings.portal.people:
        country_sets.add(settings.portal.countries or settings.countries)
    for countries in country_sets:
        add(GroupSpec(countries_key(countries), tuple(("geo", country) for country in sorted(countries))))
    address_sets = {agent.addresses for agent in settings.agents.values() if agent.addresses}
    address_sets |= {
        settings.hosted_clients[client].addresses
        for manifest in servers.values()
        for client in manifest.access.hosted_clients
    }
    for addresses in address_sets:
        add(GroupSpec(addresses_key(addresses), tuple(("ip", network) for network in sorted(addresses))))
    return dict(sorted(groups.items()))


def count_quotas(settings: Environment, servers: Mapping[str, PerimeterManifest]) -> dict[str, int]:
    """What the files ask of the account, by the names of `model.environment.Quotas`."""
    locked = sum(manifest.lockdown is not None for manifest in servers.values())
    portal = settings.portal
    # The portal's own name, and each server that it offers.
    offered = len(portal.published(servers_among(servers))) + 1 if portal is not None else 0
    return {
        "access_applications": sum(len(manifest.hostnames) for manifest in servers.values()) + offered,
        "access_policies": len(environment_policies(settings, servers)) + locked,
        "access_groups": len(access_groups(settings, servers)),
        "service_tokens": len(settings.agents),
        "tunnels": len(servers),
        "mcp_portals": 0 if portal is None else 1,
    }


def servers_among(manifests: Mapping[str, PerimeterManifest]) -> list[str]:
    """The servers among an environment's servers and model routes: a portal can offer nothing else."""
    return [name for name, manifest in manifests.items() if isinstance(manifest, Server)]


def render_rule(rule: Rule, settings: Environment, find: Callable[[str, str], Any]) -> dict[str, Any]:
    """One selector as the provider takes it, exactly one key; `find(kind, name)` gives the id of a group, posture rule or
    agent's token."""
    kind, value = rule
    if kind == "everyone":
        return {"everyone": {}}
    if kind == "email":
        return {"email": {"email": value}}
    if kind == "email_domain":
        return {"email_domain": {"domain": value}}
    if kind == "geo":
        return {"geo": {"country_code": value}}
    if kind == "ip":
        return {"ip": {"ip": value}}
    if kind == "group":
        return {"group": {"id": find("group", value)}}
    if kind == "posture":
        return {"device_posture": {"integration_uid": find("posture", value)}}
    if kind == "common_name":
        return {"common_name": {"common_name": value}}
    if kind == "agent":
        return {"service_token": {"token_id": find("agent", value)}}
    provider, group, claim = value
    idp = settings.identity_providers[provider]
    if idp.type == "okta":
        return {"okta": {"name": group, "identity_provider_id": idp.id}}
    if idp.type == "azure_ad":
        return {"azure_ad": {"id": group, "identity_provider_id": idp.id}}
    if idp.type == "github":
        return {"github_organization": {"name": group, "identity_provider_id": idp.id}}
    if idp.type == "gsuite":
        return {"gsuite": {"email": group, "identity_provider_id": idp.id}}
    if idp.type == "saml":
        name = claim or "groups"
        return {"saml": {"attribute_name": name, "attribute_value": group, "identity_provider_id": idp.id}}
    return {"oidc": {"claim_name": claim or "groups", "claim_value": group, "identity_provider_id": idp.id}}


def _addresses(emails: Iterable[str]) -> list[str]:
    """Addresses as Access keeps and compares them: any other case would differ from its answer for ever."""
    return sorted({email.lower() for email in emails})


def _people(people: People) -> tuple[Rule, ...]:
    rules: list[Rule] = [("email", email) for email in _addresses(people.emails)]
    rules += [("email_domain", domain) for domain in people.domains]
    rules += [("group", group) for group in people.groups]
    return tuple(sorted(rules))


def _members(group: Group) -> tuple[Rule, ...]:
    rules: list[Rule] = [("email", email) for email in _addresses(group.emails)]
    rules += [("email_domain", domain) for domain in sorted(group.domains)]
    claims = sorted((g.provider, g.group, g.claim or "") for g in group.idp_groups)
    rules += [("idp", (provider, name, claim or None)) for provider, name, claim in claims]
    return tuple(rules)


def _keyed(
    prefix: str,
    decision: Literal["allow", "non_identity"],
    session: str,
    include: tuple[Rule, ...],
    require: tuple[Rule, ...],
    note: str = "",
) -> PolicySpec:
    key = f"{prefix}-{_short([decision, session, include, require])}"
    return PolicySpec(key, decision, session, include, require, note)


def _short(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()[:8]
