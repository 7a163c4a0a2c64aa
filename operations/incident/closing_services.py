"""The services that close a server beside the engine: Cloudflare's API and Kong's Admin API, or the sandbox's own.

An incident command asks them, not the backend: they are what is live, and they need neither the engine nor its secrets.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from model.environment import Environment
from model.errors import InputError, RingwallError
from model.project import Project, config_of
from wire.cloudflare import TOKEN_VARIABLE as CLOUDFLARE_TOKEN
from wire.cloudflare import AccessApplication, CloudflareApi, token_from_environment
from wire.kong import TOKEN_VARIABLE as KONG_TOKEN
from wire.kong import WORKER_FREQUENCY, DataPlane, KongAdmin

if TYPE_CHECKING:
    from engine.workspace import Target
    from sandbox.closing import SandboxServices


class Edge(Protocol):
    """Access applications of an account."""

    def applications(self) -> list[AccessApplication]: ...
    def closing_policy(self, name: str) -> str: ...
    def deny_everyone(self, application: AccessApplication, policy: str) -> None: ...
    def remove_closing_policy(self, name: str) -> None: ...
    def resolves(self, hostname: str) -> bool: ...
    def revoke_sessions(self, application: str) -> None: ...


class Gateway(Protocol):
    """Routes and plugins of a gateway, and what its nodes have taken over."""

    def routes(self, tag: str) -> dict[str, str]: ...
    def route_id(self, name: str) -> str | None: ...
    def put_plugin(self, id_: str, route: str, plugin: dict[str, Any]) -> None: ...
    def remove_plugin(self, id_: str) -> None: ...
    def plugins(self, tag: str) -> list[str]: ...
    def worker_frequency(self) -> float: ...
    def data_planes(self) -> Sequence[DataPlane] | None: ...


def edge_of(project: Project, environment: str, settings: Environment, target: Target) -> CloudflareApi:
    """The environment's account.

    Raises:
        RingwallError: there is no token to ask it with, or none that could be one.
    """
    token = token_from_environment() or _from_stack_file(project, environment, "cloudflare:apiToken", target)
    if token is None:
        raise InputError(f"{CLOUDFLARE_TOKEN} is not set", remedy="set it to the account's token")
    return CloudflareApi(settings.cloudflare, token)


def gateway_of(project: Project, environment: str, settings: Environment, target: Target) -> KongAdmin:
    """The environment's Admin API; without a token it is asked without one."""
    token = os.environ.get(KONG_TOKEN) or _from_stack_file(project, environment, "kong:kongAdminToken", target)
    return KongAdmin(settings.gateway, token)


def _from_stack_file(project: Project, environment: str, key: str, target: Target) -> str | None:
    """A token that only the stack file has, encrypted: the one thing for which the engine is asked.

    Raises:
        RingwallError: it is there and cannot be opened.
    """
    from engine.workspace import workspace
    from model.loader import read

    if key not in config_of(read(project.stack_file(environment))):
        return None
    variable = CLOUDFLARE_TOKEN if key.startswith("cloudflare") else KONG_TOKEN
    try:
        with workspace(target, environment) as selected:
            return str(selected.get_config(key).value) or None
    except RingwallError as error:
        raise RingwallError(f"{variable} is not set, and {key} in the stack file cannot be opened: {error}") from None


class SandboxEdge:
    """The sandbox's account. It has no sessions."""

    def __init__(self, services: SandboxServices, account: str) -> None:
        self._services, self._account = services, account

    def applications(self) -> list[AccessApplication]:
        from sandbox.cloudflare import APPLICATION, POLICY

        policies = {one.id: one.outputs for one in self._services.of_type(POLICY)}
        return [
            AccessApplication.of({"id": record.id, **_with_policies(record.outputs, policies)})
            for record in self._services.of_type(APPLICATION)
        ]

    def closing_policy(self, name: str) -> str:
        return self._services.make_deny_policy(name, self._account)

    def deny_everyone(self, application: AccessApplication, policy: str) -> None:
        self._services.set_policies(application.id, [{"id": policy, "precedence": 1}])

    def remove_closing_policy(self, name: str) -> None:
        self._services.remove_policy(name)

    def resolves(self, hostname: str) -> bool:
        from sandbox.cloudflare import DNS_RECORD

        return any(one.outputs.get("name") == hostname for one in self._services.of_type(DNS_RECORD))

    def revoke_sessions(self, application: str) -> None:
        return


def _with_policies(outputs: dict[str, Any], policies: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """An application as the API shows it, each policy with its own members."""
    shown = []
    for one in outputs.get("policies") or ():
        policy = policies.get(one["id"], {})
        shown.append({**one, "decision": policy.get("decision"), "include": policy.get("includes")})
    return {**outputs, "policies": shown}


class SandboxGateway:
    """The sandbox's Admin API. Nothing serves behind it, so nothing can be proven."""

    def __init__(self, services: SandboxServices) -> None:
        self._services = services

    def routes(self, tag: str) -> dict[str, str]:
        from sandbox.kong import ROUTE

        records = self._services.of_type(ROUTE)
        return {one.outputs["name"]: one.id for one in records if tag in (one.outputs.get("tags") or ())}

    def route_id(self, name: str) -> str | None:
        from sandbox.kong import ROUTE

        return next((one.id for one in self._services.of_type(ROUTE) if one.outputs["name"] == name), None)

    def put_plugin(self, id_: str, route: str, plugin: dict[str, Any]) -> None:
        self._services.put_plugin(id_, route, plugin)

    def remove_plugin(self, id_: str) -> None:
        self._services.remove_plugin(id_)

    def plugins(self, tag: str) -> list[str]:
        from sandbox.kong import PLUGIN

        return [one.id for one in self._services.of_type(PLUGIN) if tag in (one.outputs.get("tags") or ())]

    def worker_frequency(self) -> float:
        return WORKER_FREQUENCY

    def data_planes(self) -> None:
        return None
