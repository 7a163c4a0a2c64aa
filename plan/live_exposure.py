"""Which public names stand unprotected at one moment, judged by the resources that the providers hold then.

`plan.exposure` proves a plan. This module judges a state on the way from one plan to the next, in which old and new
resources stand side by side; who makes these states is `plan.step_order` and the tests that watch a real run.

A name that resolves must be covered by an Access application with its policies; what its tunnel serves must be checked for
that application's audience; what the gateway routes must be authenticated. A name that resolves and leads
nowhere (no ingress rule, no route) is closed, but never without its application: an assertion for it stays valid, and
sign-in, country and device are asked for by Access alone.

Values that are not known yet, as in a preview, are taken for right: what they become is judged on the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from plan.exposure import CATCH_ALL, app_hosts, ingress_rules, lets_strangers_in, requires_access
from plan.graph import Resource
from plan.portal_exposure import covers, leads_to_portal, offers
from plan.protectors import (
    ACCESS_APPLICATION,
    ACCESS_POLICY,
    DNS_RECORD,
    KONG_PLUGIN,
    KONG_ROUTE,
    MCP_PORTAL,
    TUNNEL,
    TUNNEL_CONFIG,
)
from plan.values import Json, is_unknown

TUNNEL_DOMAIN: Final = ".cfargotunnel.com"
#: What sends prompts to providers, and what reads prompts and answers where no guard does.
_PROXIES: Final = frozenset({"ai-proxy", "ai-proxy-advanced"})
READERS: Final = frozenset({"ai-lakera-guard", "ai-custom-guardrail"})


@dataclass(frozen=True)
class HeldResource:
    """A resource that a provider holds.

    `id` is its id at the provider, None where it is not known yet. The inputs of `resource` are all of its properties in the
    engine's spelling, outputs such as an application's `aud` among them.
    """

    id: str | None
    resource: Resource


class _State:
    """What the providers hold at one moment, by type."""

    def __init__(self, held: Iterable[HeldResource]) -> None:
        self._by_type: dict[str, list[HeldResource]] = {}
        for held_resource in held:
            self._by_type.setdefault(held_resource.resource.type, []).append(held_resource)

    def by_type(self, token: str) -> list[HeldResource]:
        return self._by_type.get(token, [])

    def applications(self, name: str) -> list[HeldResource]:
        return [
            app
            for app in self.by_type(ACCESS_APPLICATION)
            if any(fnmatchcase(name, host) for host in app_hosts(app.resource))
        ]


def exposures(held: Iterable[HeldResource], *, complete: bool = True) -> tuple[str, ...]:
    """Every name that resolves unprotected in this state, one line each; empty where nothing does.

    Args:
        complete: whether `held` holds every resource of the account. The resources of one stack are not complete: the
            policies of its applications belong to the environment's stack, so a policy that is not among them counts as
            existing.
    """
    state = _State(held)
    return tuple(
        sorted({line for record in state.by_type(DNS_RECORD) for line in _record(state, record.resource, complete)})
    )


def resolving(record: Resource) -> str | None:
    """The public name of a DNS record that points at a tunnel or a portal; None for any other record."""
    name, content = record.inputs.get("name"), record.inputs.get("content")
    tunnel = is_unknown(content) or (isinstance(content, str) and content.endswith(TUNNEL_DOMAIN))
    leads = tunnel or leads_to_portal(record)
    return name if isinstance(name, str) and leads else None


def _record(state: _State, record: Resource, complete: bool) -> Iterator[str]:
    name = resolving(record)
    if name is None:
        return
    if record.inputs.get("proxied") is not True:
        yield f"{name} resolves without Cloudflare's proxy, and so without Access"
    applications = state.applications(name)
    if not applications:
        yield f"{name} resolves, and no Access application covers it"
    for application in applications:
        yield from _policies(state, name, application.resource, complete)
    if leads_to_portal(record):
        yield from _offered(state, name, complete)
        return
    yield from _ingress(state, name, record.inputs.get("content"), applications)
    yield from _gateway(state, name)


def _policies(state: _State, name: str, application: Resource, complete: bool) -> Iterator[str]:
    policies = application.inputs.get("policies")
    if is_unknown(policies):
        return
    ids = [policy.get("id") for policy in policies if isinstance(policy, Mapping)] if isinstance(policies, list) else []
    if not ids:
        yield f"{name} resolves, and its Access application {application.name} has no policy"
    known = {policy.id: policy.resource for policy in state.by_type(ACCESS_POLICY)}
    for id_ in ids:
        if is_unknown(id_):
            continue
        policy = known.get(id_) if isinstance(id_, str) else None
        if policy is None:
            if complete:
                yield f"{name} resolves, and its Access application {application.name} names a policy that is not there"
        elif policy.inputs.get("decision") == "bypass":
            yield f"{name} resolves, and the policy {policy.name} asks nobody who calls"


def _offered(state: _State, name: str, complete: bool) -> Iterator[str]:
    """The servers that the portal of that name offers without an application before them."""
    for portal in state.by_type(MCP_PORTAL):
        if portal.resource.inputs.get("hostname") != name:
            continue
        for id_ in offers(portal.resource.inputs) or ():
            if is_unknown(id_):
                continue
            applications = [app for app in state.by_type(ACCESS_APPLICATION) if id_ in covers(app.resource.inputs)]
            if not applications:
                yield f"{name} offers the server {id_}, and no Access application covers it there"
            for application in applications:
                yield from _policies(state, name, application.resource, complete)


def _ingress(state: _State, name: str, content: Json, applications: list[HeldResource]) -> Iterator[str]:
    for tunnel in state.by_type(TUNNEL):
        if tunnel.id is not None and isinstance(content, str) and content != tunnel.id + TUNNEL_DOMAIN:
            continue
        if tunnel.resource.inputs.get("configSrc", "local") == "local":
            continue  # its ingress is a file on the host: `exposure-ingress-on-host`
        for config in state.by_type(TUNNEL_CONFIG):
            if _names_id(config.resource.inputs.get("tunnelId"), tunnel.id):
                yield from _served(name, config.resource, applications)


def _served(name: str, config: Resource, applications: list[HeldResource]) -> Iterator[str]:
    for rule in ingress_rules(config) or ():
        host = rule.get("hostname")
        if isinstance(host, str) and host and not fnmatchcase(name, host):
            continue
        if rule.get("service") == CATCH_ALL:
            return
        tags = requires_access(rule)
        if not tags:
            yield f"{name} is served by {config.name} without required Access"
        audiences = {application.resource.inputs.get("aud") for application in applications if application.id}
        # An application that is only being made has no audience yet: a tag may well be its.
        if applications and all(application.id for application in applications):
            for tag in tags:
                if isinstance(tag, str) and tag not in audiences:
                    yield f"{name} is served by {config.name} for the audience of another application"
        if not rule.get("path"):
            return  # cloudflared takes the first rule that matches


def _gateway(state: _State, name: str) -> Iterator[str]:
    for route in state.by_type(KONG_ROUTE):
        hosts = route.resource.inputs.get("hosts")
        if isinstance(hosts, list) and hosts and name not in hosts:
            continue
        service = route.resource.inputs.get("serviceId")
        plugins = [
            plugin.resource
            for plugin in state.by_type(KONG_PLUGIN)
            if _names_id(plugin.resource.inputs.get("serviceId"), service)
        ]
        if lets_strangers_in(plugins):
            yield f"{name} is routed by {route.resource.name}, whose service authenticates nobody"
        active = {plugin.inputs.get("name") for plugin in plugins if plugin.inputs.get("enabled", True) is True}
        if active & _PROXIES and not active & READERS:
            yield f"{name} is routed by {route.resource.name} to a provider, and nothing inspects what is said"


def _names_id(reference: Json, id_: Json) -> bool:
    """Whether a property refers to that id. Two ids that are not known yet may be the same, so they count as equal."""
    if reference is None:
        return False
    unknown = is_unknown(id_) or id_ is None
    return unknown if is_unknown(reference) else (not unknown and reference == id_)
