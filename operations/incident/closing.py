"""What `lockdown` in a server's stack file means in each ring: policy, plugin and guard configuration of a closed server.

Pure: no Pulumi, no I/O. No grant leaves the files, so that removing the one key opens the server exactly as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from components.gateway.names import CLOSED_MESSAGE, tags
from components.guard.model_settings import build_model_guard_config
from components.guard.settings import build_guard_config
from model.errors import InputError
from model.guard_bundle import AnyGuardConfig
from model.stacks import EnvironmentStack, ModelStack, PerimeterStack
from plan.graph import Graph
from plan.protectors import ACCESS_APPLICATION

ACCESS_POLICY = "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy"


#: Tag of the plugins that an incident command put at the gateway without the engine.
CLOSED_TAG = "ringwall-closed"
#: Header of the closing plugin's answers, with the id of the operation that put it there: a gateway that sends it has the
#: plugin in force.
CLOSED_HEADER = "x-ringwall-closed"


def closing_policy_name(environment: str) -> str:
    """The name of the one Access policy that denies everyone on an environment's closed applications, where the engine made
    no policy for them."""
    return f"{environment}-closed"


def closing_plugin(environment: str, server: str, operation: str) -> dict[str, Any]:
    """The plugin that closes a server's route without the engine, in the form of Kong's Admin API.

    `pre-function` is enabled at Kong already (the identity check is one) and runs before every other plugin: every request
    is answered 503, with or without a token, so that anybody can see whether the gateway has it in force. The engine's own
    request-termination is on the service, so the two do not collide (a plugin is unique by name and scope).
    """
    headers = f'{{["{CLOSED_HEADER}"] = {json.dumps(operation)}}}'
    answer = f"kong.response.exit(503, {{message = {json.dumps(CLOSED_MESSAGE)}}}, {headers})"
    return {
        "name": "pre-function",
        "config": {"access": [answer]},
        "enabled": True,
        "tags": [*tags(environment, server), CLOSED_TAG],
    }


def closing_plugin_id(environment: str, server: str) -> str:
    """The id of a server's closing plugin, always the same, so that closing twice leaves one plugin and opening finds it."""
    return str(uuid5(NAMESPACE_URL, f"ringwall:{environment}.{server}:closed"))


def edge_urns(locked: Graph) -> list[str]:
    """URNs of what closes a server at the edge: its Access applications and the deny policy. `locked` is the plan of the
    closed server."""
    return [resource.urn for resource in locked.resources if resource.type in (ACCESS_APPLICATION, ACCESS_POLICY)]


def closed(config: AnyGuardConfig) -> AnyGuardConfig:
    """The same configuration without grants: a tool or model that no grant names is neither listed nor callable."""
    return config.model_copy(update={"grants": ()})


def opened(environment: EnvironmentStack, server: PerimeterStack, deployed: AnyGuardConfig) -> AnyGuardConfig:
    """The configuration that the files give without `lockdown`, with the audiences and client ids of the deployed one.

    Raises:
        InputError: the files name a host name or an agent that is not deployed.
    """
    access = deployed.identity.access
    audiences = {door.hostname: door.audience for door in access.front_doors} if access else {}
    clients = {agent: client for client, agent in deployed.identity.agents.items()}
    manifest = server.manifest
    for kind, names, known in (
        ("host name", manifest.hostnames, audiences),
        ("agent", manifest.access.agents, clients),
    ):
        _require(server, kind, list(names), known)
    if isinstance(server, ModelStack):
        route = server.manifest.model_copy(update={"lockdown": None})
        return build_model_guard_config(replace(server, manifest=route), audiences, clients)
    plain = server.manifest.model_copy(update={"lockdown": None})
    return build_guard_config(replace(server, manifest=plain), audiences, clients)


def _require(server: PerimeterStack, kind: str, names: list[str], known: Mapping[str, Any]) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"{kind} {missing[0]} is not deployed yet",
            file=server.document.file,
            remedy=f"run `ringwall up {server.stack}`, then `ringwall guard bundle {server.stack} --key FILE`",
        )
