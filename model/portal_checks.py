"""Problems of an environment's MCP portal that need its servers' files to be seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from model.environment import Environment
from model.errors import InputError
from model.portal import Portal
from model.stacks import EnvironmentStack, ServerStack, manifest_path
from model.suggestions import did_you_mean

#: Longest id of a portal or server at Cloudflare, which holds lower-case letters, digits and - (provider v5, validators).
MAX_ID = 32


def portal_server_id(server: ServerStack, settings: Environment) -> str:
    """The id of a server in the account's portals; clients read it before the name of each tool.

    Another address or another way to sign in is another server at Cloudflare, which cannot be made while the old one has
    the id. So both are part of it.
    """
    portal = settings.portal
    shared = portal is not None and server.name in portal.shared
    kind = f"{upstream(server)} {'agent' if shared else 'person'}"
    return f"{server.environment.name}-{server.name}-{hashlib.sha256(kind.encode()).hexdigest()[:4]}"


def upstream(server: ServerStack) -> str:
    """The address at which the portal calls a server: its own public one, with all that stands before it."""
    return f"https://{server.manifest.hostname}{server.manifest.path}"


def portal_words(server: ServerStack) -> str | None:
    """Where the portal offers the server and as whom it calls it, in a sentence; None where it does not."""
    portal = server.settings.portal
    if portal is None or not portal.publishes(server.name):
        return None
    agent = portal.shared.get(server.name)
    caller = f"as agent {agent}, whoever calls" if agent else "as the person who calls"
    return (
        f"the portal {portal.url} offers it too, as {portal_server_id(server, server.settings)}, and calls it {caller}"
    )


def check_portal(environment: EnvironmentStack) -> list[InputError]:
    """Every server that the portal offers must exist, and must be one that it can call."""
    portal = environment.settings.portal
    return [] if portal is None else [*_portal(environment, portal), *_servers(environment, portal)]


def _portal(environment: EnvironmentStack, portal: Portal) -> Iterable[InputError]:
    for stack in environment.perimeters:
        if portal.hostname in stack.manifest.hostnames:
            yield _error(
                environment, ("hostname",), f"{portal.hostname} is {stack.stack}'s host name", "choose another"
            )
    if len(environment.name) > MAX_ID:
        yield _error(environment, (), f"the environment's name is longer than {MAX_ID}", "rename the environment")
    if portal.servers != "all":
        for index, name in enumerate(portal.servers):
            if name not in environment.servers:
                kind = "a model route, not a server" if name in environment.models else "no server of the environment"
                remedy = did_you_mean(name, environment.servers, none="it has no servers")
                yield _error(environment, ("servers", index), f"{name} is {kind}", remedy)
    for name in portal.shared:
        if name not in environment.servers and portal.servers == "all":
            remedy = did_you_mean(name, environment.servers, none="it has no servers")
            yield _error(environment, ("shared", name), f"{name} is no server of the environment", remedy)
    offered = len(portal.published(environment.servers))
    if offered > (limit := environment.settings.quotas.portal_servers):
        yield _error(
            environment,
            ("servers",),
            f"offers {offered} servers, and a portal holds {limit}",
            "name fewer, or raise quotas.portal_servers when your contract allows more",
        )


def _servers(environment: EnvironmentStack, portal: Portal) -> Iterable[InputError]:
    for name in portal.published(environment.servers):
        server, agent = environment.servers[name], portal.shared.get(name)
        access = server.manifest.access
        if len(id_ := portal_server_id(server, environment.settings)) > MAX_ID:
            yield _error(
                environment,
                ("servers",),
                f"{name} would have the id {id_} in the portal, which takes {MAX_ID} characters",
                "leave it out, or give it a shorter name",
            )
        if agent is not None and access.people is None and not portal.agents:
            yield _error(
                environment,
                ("shared", name),
                f"nobody could use {server.stack} through the portal: it admits no people, and the portal no agents",
                "name agents of the portal, or leave the server out",
            )
        if agent is not None:
            if agent not in access.agents:
                yield _error(
                    environment,
                    ("shared", name),
                    f"{server.stack} does not admit the agent {agent}",
                    f"add {agent} to access.agents in {server.document.file.name}",
                )
        elif access.people is None or server.manifest.oauth.mode != "access":
            reason = "admits no people" if access.people is None else "signs people in at an issuer of its own"
            yield _error(
                environment,
                ("servers",),
                f"{server.stack} {reason}, and the portal signs in to it as the person who calls",
                "leave it out, or name in portal.shared the agent as which the portal calls it",
            )


def _error(environment: EnvironmentStack, key: tuple[str | int, ...], text: str, remedy: str) -> InputError:
    return environment.document.error(manifest_path(environment, "portal", *key), text, remedy)
