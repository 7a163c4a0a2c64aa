"""Rules that need more than one file: names that must exist, and names and ports that must be unique.

A rule about one file alone stands with its model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from model.environment import KONG_STATUS_PORT, Environment, IdpGroup
from model.errors import InputError
from model.loader import KeyPath
from model.logpush import destination_key
from model.name_patterns import matches, matches_any
from model.server import People, Server
from model.stacks import EnvironmentStack, ModelStack, PerimeterStack, ServerStack, Stack, manifest_path
from model.suggestions import did_you_mean
from model.text import visible

GUARD_PORT: KeyPath = ("guard_port",)
ADMIN_PORT: KeyPath = ("guard_admin_port",)
ORIGIN_PORT: KeyPath = ("origin", "url")
TUNNEL_SECRET = "ringwall:tunnelSecret"  # noqa: S105 - a key's name
#: The key by which a model route's guard enters the gateway's inner route.
GUARD_KEY = "ringwall:guardKey"


def check_server(stack: ServerStack, settings: Environment) -> list[InputError]:
    """One server against its environment and its tool lock."""
    return [
        *_references(stack, settings),
        *_names(stack, settings),
        *_grants(stack),
        *_unseen_groups(stack, settings),
        *_shared_claims(stack, settings),
    ]


def check_model(stack: ModelStack, settings: Environment) -> list[InputError]:
    """One model route against its environment."""
    return [
        *_references(stack, settings),
        *_names(stack, settings),
        *_model_grants(stack),
        *_unseen_groups(stack, settings),
        *_shared_claims(stack, settings),
        *_inner_road(stack, settings),
    ]


def missing_secrets(stacks: Iterable[Stack]) -> list[InputError]:
    """The secrets that stack files lack: of locally managed tunnels, of model routes' guards, and of an environment's logs.

    Loading leaves this out: a stack without the secret must still load, so that it can be closed.
    """
    return [problem for stack in stacks for problem in _missing_secrets(stack)]


def refuse_missing_secret(loaded: Stack) -> None:
    """Raises InputError for a stack whose own file lacks a secret that it needs."""
    for problem in missing_secrets([loaded]):
        raise problem


def held_keys(stack: Stack) -> frozenset[str]:
    """The keys that a stack's file has beside its manifest, its secrets among them."""
    config = stack.document.value.get("config") if isinstance(stack.document.value, dict) else None
    return frozenset(config) if isinstance(config, dict) else frozenset()


def _missing_secrets(stack: Stack) -> Iterable[InputError]:
    present = held_keys(stack)
    if isinstance(stack, EnvironmentStack):
        for dataset in sorted(stack.settings.logpush):
            if (key := destination_key(dataset)) not in present:
                remedy = f"run `{logpush_command(dataset, stack.stack)}`"
                yield stack.document.error(("config", key), f"is missing: where {dataset} is pushed to", remedy)
        return
    if not isinstance(stack, ServerStack | ModelStack):
        return
    host = stack.settings.hosts.get(stack.manifest.host)
    if host is not None and host.tunnel == "local" and TUNNEL_SECRET not in present:
        yield stack.document.error(
            ("config", TUNNEL_SECRET),
            f"is missing, and host {stack.manifest.host} has a locally managed tunnel",
            f"run `{set_secret(TUNNEL_SECRET, stack.stack)}`",
        )
    if isinstance(stack, ModelStack) and stack.manifest.guard is not None and GUARD_KEY not in present:
        yield stack.document.error(
            ("config", GUARD_KEY),
            "is missing, and by it alone the guard may enter the gateway's inner route",
            f"run `{set_secret(GUARD_KEY, stack.stack)}`",
        )


def set_secret(key: str, stack: str) -> str:
    """The command that gives a stack a random secret, also before the stack was ever brought up."""
    command = f"openssl rand -base64 32 | pulumi config set --secret {key} --stack {stack}"
    return f"pulumi stack select --create {stack} && {command}"


def logpush_command(dataset: str, stack: str) -> str:
    """The command that asks for a log's destination and encrypts it: in no shell history and in no process list."""
    command = f"pulumi config set --secret {destination_key(dataset)} --stack {stack}"
    return f"pulumi stack select --create {stack} && {command}"


def _inner_road(stack: ModelStack, settings: Environment) -> Iterable[InputError]:
    """The guard hands each request back to the gateway on its own machine, and over that road goes the key alone."""
    if settings.topology == "central" and stack.manifest.guard is not None:
        yield stack.document.error(
            manifest_path(stack, "host"),
            "model routes need the gateway on the guard's own machine, and in topology central it is elsewhere",
            "use topology hybrid, or an environment of its own for the route",
        )


def _model_grants(stack: ModelStack) -> Iterable[InputError]:
    for index, grant in enumerate(stack.manifest.grants):
        for pattern in grant.models:
            if not any(matches(pattern, name) for name in stack.manifest.models):
                remedy = did_you_mean(pattern, stack.manifest.models, none="the route has no models")
                yield stack.document.error(
                    manifest_path(stack, "grants", index, "models"),
                    f"{visible(pattern)} matches no model of the route",
                    remedy,
                )
    yield from _unadmitted(stack)


def _unadmitted(stack: PerimeterStack) -> Iterable[InputError]:
    """Problems of grants to agents and hosted clients that access keeps out."""
    access = stack.manifest.access
    admitted = {"agents": access.agents, "hosted_clients": tuple(access.hosted_clients)}
    for index, grantees in enumerate(stack.manifest.grantees):
        for kind, known in admitted.items():
            for name in getattr(grantees, kind):
                if name not in known:
                    yield stack.document.error(
                        manifest_path(stack, "grants", index, "to", kind),
                        f"{name} is not admitted by access.{kind}",
                        f"add it to access.{kind} too",
                    )


def _references(stack: PerimeterStack, settings: Environment) -> Iterable[InputError]:
    manifest = stack.manifest
    people: list[tuple[KeyPath, People | None]] = [(("access", "people", "groups"), manifest.access.people)]
    people += [
        (("access", "hosted_clients", client, "people", "groups"), hosted.people)
        for client, hosted in manifest.access.hosted_clients.items()
    ]
    references: list[tuple[KeyPath, str, Iterable[str]]] = [
        (("host",), "hosts", (manifest.host,)),
        (("access", "agents"), "agents", manifest.access.agents),
        (("access", "hosted_clients"), "hosted_clients", manifest.access.hosted_clients),
        (("posture",), "posture", manifest.posture),
        (("oauth", "issuer"), "issuers", (manifest.oauth.issuer,) if manifest.oauth.issuer else ()),
        *((path, "groups", members.groups) for path, members in people if members is not None),
        *((("grants", i, "to", "groups"), "groups", to.groups) for i, to in enumerate(manifest.grantees)),
    ]
    for path, key, names in references:
        known = getattr(settings, key)
        for name in names:
            if name not in known:
                file = f"Pulumi.{stack.environment.name}.yaml"
                remedy = did_you_mean(name, known, none=f"{file} has no {key}")
                yield stack.document.error(
                    manifest_path(stack, *path),
                    f"{name} is not in the environment's {key}",
                    f"{remedy}; or add it to {file}",
                )


def _names(stack: PerimeterStack, settings: Environment) -> Iterable[InputError]:
    manifest, zone = stack.manifest, settings.cloudflare.zone
    for hostname, client in manifest.hostnames.items():
        if not hostname.endswith("." + zone):
            path: KeyPath = ("hostname",) if client is None else ("access", "hosted_clients", client, "hostname")
            yield stack.document.error(
                manifest_path(stack, *path),
                f"{hostname} is outside the zone {zone}",
                f"use a name that ends in .{zone}",
            )
    shared = sorted(set(manifest.logs.kinds) & set(settings.logs.kinds))
    for kind in shared:
        yield stack.document.error(
            manifest_path(stack, "logs", kind),
            f"the environment has a {kind} sink already, and this one would silence it here",
            "use another kind of sink here, or remove one of the two",
        )


def _grants(stack: ServerStack) -> Iterable[InputError]:
    manifest = stack.manifest
    tools = {tool.name: tool.risk for tool in stack.lock.tools}
    left_out = {entry.key: entry.reason for entry in stack.lock.left_out if entry.kind == "tools" and entry.key}
    prompts = {prompt.name for prompt in stack.lock.prompts}
    approve = f"ringwall lock approve {stack.stack}"
    for index, grant in enumerate(manifest.grants):
        grant_path = manifest_path(stack, "grants", index)
        for pattern in grant.tools:
            matched = [name for name in tools if matches(pattern, name)]
            if pattern in left_out:
                yield stack.document.error(
                    (*grant_path, "tools"),
                    f"{pattern} is left out of the lock: {left_out[pattern]}",
                    f"remove it, or have the server corrected and run `{approve}`",
                )
            elif not matched:
                yield stack.document.error(
                    (*grant_path, "tools"),
                    f"{visible(pattern)} matches no tool of the lock",
                    f"correct it, or run `{approve}`",
                )
            elif grant.read_only and all(tools[name] != "read" for name in matched):
                risks = " and ".join(sorted({tools[name] for name in matched}))
                yield stack.document.error(
                    (*grant_path, "tools"),
                    f"{visible(pattern)} has risk {risks} and the grant is read-only, so it would grant nothing",
                    "add read_only: false to grant it, or remove it",
                )
        for pattern in grant.prompts:
            if not any(matches(pattern, name) for name in prompts):
                yield stack.document.error(
                    (*grant_path, "prompts"),
                    f"{visible(pattern)} matches no prompt of the lock",
                    f"correct it, or run `{approve}`",
                )
        for name in grant.arguments:
            if name not in tools:
                yield stack.document.error(
                    (*grant_path, "arguments", name), "no such tool in the lock", "correct the name"
                )
            elif not matches_any(grant.tools, name):
                yield stack.document.error(
                    (*grant_path, "arguments", name), "is not among the grant's tools", "add it to tools, or remove it"
                )
            if problem := _constraint(grant.arguments[name]):
                yield stack.document.error(
                    (*grant_path, "arguments", name), f"cannot be enforced: {problem}", "correct the schema"
                )
    yield from _unadmitted(stack)
    for name in manifest.limits.tools:
        path = manifest_path(stack, "limits", "tools", name)
        # One that is inherited may belong to another of the environment's servers.
        if name not in tools and path in stack.document.lines:
            yield stack.document.error(path, "no such tool in the lock", "correct the name")


def _unseen_groups(stack: PerimeterStack, settings: Environment) -> Iterable[InputError]:
    """Problems of grants to groups that the edge can check and the guard cannot see.

    Access puts custom OIDC claims and SAML attributes into its application tokens and nothing else about groups
    (Cloudflare One docs, "Application token"). A GitHub sign-in has neither, so a grant to an organization would never
    match anybody.
    """
    for index, grantees in enumerate(stack.manifest.grantees):
        for name in grantees.groups:
            group = settings.groups.get(name)
            for member in group.idp_groups if group else ():
                if settings.identity_providers[member.provider].type == "github":
                    yield stack.document.error(
                        manifest_path(stack, "grants", index, "to", "groups"),
                        f"{name} holds the GitHub organization {member.group}, which Access tokens do not carry, so the "
                        "guard cannot grant by it",
                        "grant to emails, domains or agents, and let access.people keep the organization at the edge",
                    )


def _shared_claims(stack: PerimeterStack, settings: Environment) -> Iterable[InputError]:
    """Grants to groups that people of another identity provider could be in by a group of the same name.

    A token says what groups its bearer is in, and not which provider says so. Whoever runs a second provider, such as a
    partner's, could name a group there like one of yours. So where several can sign people in, a group that a grant names
    comes in a claim that no other provider's groups use; a provider without groups here is taken to use the default's.
    GitHub has no claims.
    """
    claims_by_provider = {
        name: {_claim(g) for group in settings.groups.values() for g in group.idp_groups if g.provider == name}
        or {_GROUPS}
        for name, provider in settings.identity_providers.items()
        if provider.type != "github"
    }
    for index, grantees in enumerate(stack.manifest.grantees):
        for name in grantees.groups:
            group = settings.groups.get(name)
            for member in group.idp_groups if group else ():
                if member.provider not in claims_by_provider:
                    continue
                sharing = sorted(
                    provider
                    for provider, claims in claims_by_provider.items()
                    if provider != member.provider and _claim(member) in claims
                )
                if sharing:
                    yield stack.document.error(
                        manifest_path(stack, "grants", index, "to", "groups"),
                        f"{name} holds the group {member.group} of {member.provider}, and a token does not say that it is "
                        f"not one of {' or '.join(sharing)} with that name",
                        f"in Cloudflare One give the groups of one provider a claim of their own, and name it as `claim` in "
                        f"groups.{name}.idp_groups and wherever else its groups stand; or grant to emails or domains",
                    )


_GROUPS = "groups"


def _claim(member: IdpGroup) -> str:
    """The claim that carries a group; `guard.decide.grants` has the same default."""
    return member.claim or _GROUPS


def _constraint(schema: dict[str, Any]) -> str | None:
    """Why the guard cannot enforce a grant's argument schema; None where it can. The guard's own compiler decides, so
    that a schema that passes review is one that runs. Imported here, because only files that hold such a schema need
    `jsonschema`."""
    from model.schemas import compile_schema

    try:
        compile_schema(schema, strict=True)
    except ValueError as error:
        return str(error)
    return None


def check_together(environment: EnvironmentStack, newcomer: str | None = None) -> list[InputError]:
    """Problems of host names and ports that two servers or model routes of the environment would share.

    What `newcomer`, one that is being added, takes from another is its own problem and not the other's.
    """
    problems: list[InputError] = []
    names: dict[str, str] = {}
    ports: dict[tuple[str, int], str] = {}
    for name, host in environment.settings.hosts.items():
        if environment.settings.topology != "central":
            ports[(name, host.gateway_port)] = f"the gateway of host {name}"
            ports[(name, KONG_STATUS_PORT)] = f"Kong's status API on host {name}"
    guards: dict[int, str] = {}
    for stack in sorted(environment.perimeters, key=lambda stack: stack.name == newcomer):
        manifest = stack.manifest
        for hostname, client in manifest.hostnames.items():
            path: KeyPath = ("hostname",) if client is None else ("access", "hosted_clients", client, "hostname")
            holder = names.setdefault(hostname, stack.stack)
            if holder != stack.stack:
                problems.append(
                    stack.document.error(
                        manifest_path(stack, *path), f"{hostname} is {holder}'s host name", "choose another"
                    )
                )
        wrong: set[KeyPath] = set()
        for path, port, remedy in perimeter_ports(stack):
            if path == ADMIN_PORT and manifest.guard_admin_port is None and GUARD_PORT in wrong:
                continue  # it follows guard_port, whose problem is reported already
            claim = f"{stack.stack} ({'.'.join(map(str, path))})"
            owner = ports.setdefault((manifest.host, port), claim)
            problem = f"port {port} on host {manifest.host} belongs to {owner}" if owner != claim else None
            if problem is None and environment.settings.topology == "hybrid" and path != ORIGIN_PORT:
                # Every data plane carries every route, so a guard's port means one server wherever the request lands;
                # where it was another server's admin port, the route would open that guard's /metrics.
                owner = guards.setdefault(port, stack.stack)
                if owner != stack.stack:
                    problem = f"port {port} is {owner}'s; hybrid guard ports are unique in the environment"
            if problem is not None:
                wrong.add(path)
                problems.append(stack.document.error(manifest_path(stack, *path), problem, remedy))
    return problems


def perimeter_ports(stack: PerimeterStack) -> Iterable[tuple[KeyPath, int, str]]:
    """The loopback ports of one server or model route, each with what to do when it is taken."""
    manifest = stack.manifest
    if manifest.guard_port is not None and manifest.admin_port is not None:
        yield GUARD_PORT, manifest.guard_port, "choose another"
        inherited = manifest.guard_admin_port is None
        yield ADMIN_PORT, manifest.admin_port, "add the key with another port" if inherited else "choose another"
    if isinstance(manifest, Server) and manifest.origin.port is not None:
        yield ORIGIN_PORT, manifest.origin.port, "choose another"
