"""Builds the guard's configuration from the reviewed files. Pure: no Pulumi, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping

from model.base import SecretRef
from model.canonical import digest
from model.environment import Environment
from model.errors import InputError
from model.guard_config import (
    AccessIdentity,
    Audit,
    ExternalIdentity,
    FrontDoor,
    GuardConfig,
    Identity,
    IdpClaim,
    Listen,
    Principals,
    ResolvedGrant,
    ServerName,
)
from model.model_guard_config import ModelGuardConfig
from model.server import Grant, Grantees
from model.stacks import PerimeterStack, ServerStack

ETC = "/etc/ringwall"
#: What a server's stack exports its guard configuration as.
OUTPUT = "guard_config"


def bundle_file(stack: str) -> str:
    """Where the host keeps the configuration once `ringwall guard bundle` has signed it."""
    return f"{ETC}/{stack}/guard.bundle.json"


def public_key_file(stack: str) -> str:
    """What the guard checks bundles against; the private key never comes to a host."""
    return f"{ETC}/{stack}/guard-signing.pub"


def state_directory(stack: str) -> str:
    """The last good bundle and whatever else the guard keeps; it alone may write there."""
    return f"/var/lib/ringwall/{stack}"


def audit_file(stack: str) -> str:
    return f"/var/log/ringwall/{stack}.audit.jsonl"


def build_guard_config(
    server: ServerStack, audiences: Mapping[str, str], agent_client_ids: Mapping[str, str]
) -> GuardConfig:
    """The whole configuration of one server's guard.

    Args:
        audiences: `aud` of the Access application of each host name.
        agent_client_ids: service token client id of each agent that access admits.
    """
    manifest, settings = server.manifest, server.settings
    return GuardConfig(
        version=1,
        server=ServerName(environment=server.environment.name, name=server.name),
        listen=listen(server),
        path=manifest.path,
        browser_origins=manifest.cors.origins if manifest.cors else (),
        admin_port=manifest.admin_port,
        redis=manifest.guard.redis,
        # Where the server calls out to is the host's to enforce: it changes no configuration of a guard.
        origin=manifest.origin.model_copy(update={"egress": ()}),
        identity=identity(server, audiences, agent_client_ids),
        # A closed server grants nothing, which is to deny everything.
        grants=() if manifest.lockdown else tuple(_resolve(grant, server, settings) for grant in manifest.grants),
        limits=manifest.limits,
        guard=manifest.guard,
        audit=Audit(
            path=audit_file(server.stack), payloads=manifest.guard.audit_payloads, anchor=manifest.guard.audit_anchor
        ),
        tool_lock_sha256=digest(server.lock.dump()),
        tool_lock=server.lock,
    )


def identity(stack: PerimeterStack, audiences: Mapping[str, str], agent_client_ids: Mapping[str, str]) -> Identity:
    """Whose tokens count, at a server's guard and at a model route's."""
    manifest, settings = stack.manifest, stack.settings
    doors = tuple(
        FrontDoor(hostname=hostname, audience=audiences[hostname], hosted_client=client)
        for hostname, client in manifest.hostnames.items()
    )
    external = None
    if manifest.oauth.mode == "external" and manifest.oauth.issuer and manifest.oauth.audience:
        issuer = settings.issuers[manifest.oauth.issuer]
        external = ExternalIdentity(
            issuer=issuer.issuer,
            jwks_uri=issuer.jwks_uri,
            introspection=issuer.introspection.for_guard() if issuer.introspection else None,
            audience=manifest.oauth.audience,
            scopes=manifest.oauth.scopes,
        )
    return Identity(
        access=AccessIdentity(
            issuer=settings.cloudflare.issuer, jwks_uri=settings.cloudflare.jwks_uri, front_doors=doors
        ),
        external=external,
        agents={agent_client_ids[agent]: agent for agent in manifest.access.agents},
    )


def render(config: GuardConfig | ModelGuardConfig) -> str:
    """Deterministic JSON text: sorted keys, two spaces, a newline at the end."""
    return json.dumps(config.dump(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def listen(server: PerimeterStack) -> Listen:
    address, port = server.settings.hosts[server.manifest.host].guard_address, server.manifest.guard_port
    if port is None:
        raise InputError(f"{server.stack} has no guard", key="guard")
    if address is None:
        return Listen(port=port)
    folder = f"{ETC}/{server.stack}"
    return Listen(
        address=address,
        port=port,
        tls_certificate=SecretRef(file=f"{folder}/guard.crt"),
        tls_key=SecretRef(file=f"{folder}/guard.key"),
        client_ca=SecretRef(file=f"{folder}/gateway-ca.crt"),
    )


def _resolve(grant: Grant, server: ServerStack, settings: Environment) -> ResolvedGrant:
    risks = {tool.name: tool.risk for tool in server.lock.tools}
    tools = sorted(name for name, risk in risks.items() if grant.opens(name, risk))
    prompts = sorted(p.name for p in server.lock.prompts if grant.opens_prompt(p.name))
    return ResolvedGrant(
        to=principals(grant.to, settings),
        tools=tuple(tools),
        prompts=tuple(prompts),
        resources=tuple(sorted(grant.resources)),
        arguments={name: schema for name, schema in sorted(grant.arguments.items()) if name in tools},
        limits=grant.limits,
    )


def principals(grantees: Grantees, settings: Environment) -> Principals:
    groups = [settings.groups[name] for name in grantees.groups]
    claims = {
        (g.provider, g.group, g.claim): IdpClaim(provider=g.provider, group=g.group, claim=g.claim)
        for group in groups
        for g in group.idp_groups
    }
    return Principals(
        all=grantees.all,
        emails=tuple(sorted({*grantees.emails, *(e for group in groups for e in group.emails)})),
        domains=tuple(sorted({*grantees.domains, *(d for group in groups for d in group.domains)})),
        idp_groups=tuple(claims[key] for key in sorted(claims, key=str)),
        agents=tuple(sorted(grantees.agents)),
        hosted_clients=tuple(sorted(grantees.hosted_clients)),
    )
