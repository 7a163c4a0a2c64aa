"""What `lockdown` in a server's stack file means in each ring. Pure: no Pulumi, no I/O.

Nothing that was granted is taken out of the files, so that taking the one key out opens the server exactly as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.guard_settings import build_guard_config
from model.errors import InputError
from model.guard_config import GuardConfig
from model.project import EnvironmentStack, ServerStack
from plan.exposure import ACCESS_APPLICATION, KONG_PLUGIN
from plan.graph import Graph

ACCESS_POLICY = "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy"
TERMINATION = "request-termination"


def edge_urns(locked: Graph) -> list[str]:
    """What closes a server at the edge: its Access applications and the deny policy. `locked` is its plan while closed."""
    return [one.urn for one in locked.resources if one.type in (ACCESS_APPLICATION, ACCESS_POLICY)]


def gateway_urns(locked: Graph) -> list[str]:
    """What closes it at the gateway: the terminating plugin of the service that leads to the guard."""
    return [one.urn for one in locked.by_type(KONG_PLUGIN) if one.name.endswith("-gateway-lockdown")]


def closed(config: GuardConfig) -> GuardConfig:
    """The same configuration granting nothing: whatever no grant names is neither listed nor callable."""
    return config.model_copy(update={"grants": ()})


def opened(environment: EnvironmentStack, server: ServerStack, deployed: GuardConfig) -> GuardConfig:
    """The configuration of the files, lockdown left out, with the ids that `deployed` has from the real accounts.

    Raises:
        InputError: the files name a host name or an agent that is not deployed.
    """
    access = deployed.identity.access
    audiences = {door.hostname: door.audience for door in access.front_doors} if access else {}
    clients = {agent: client for client, agent in deployed.identity.agents.items()}
    manifest = server.manifest.model_copy(update={"lockdown": None})
    for kind, wanted, known in (
        ("host name", manifest.hostnames, audiences),
        ("agent", manifest.access.agents, clients),
    ):
        _require(server, kind, list(wanted), known)
    plain = ServerStack(server.environment, server.name, server.document, manifest, server.lock_file, server.lock)
    return build_guard_config(environment.settings, plain, audiences, clients)


def _require(server: ServerStack, kind: str, wanted: list[str], known: Mapping[str, Any]) -> None:
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError(
            f"{kind} {missing[0]} is not deployed yet",
            file=server.document.file,
            remedy=f"run `ringwall up {server.stack}`, then `ringwall guard bundle {server.stack}`",
        )
