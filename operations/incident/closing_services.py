"""The services that close a server beside the engine: Cloudflare's API and Kong's Admin API, asked through two protocols.

An incident command asks them, not the backend: they are what is live, and they need neither the engine nor its secrets.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from engine.workspace import Target, workspace
from model.environment import Environment
from model.errors import InputError, RingwallError
from model.loader import read
from model.project import Project, config_of
from wire.cloudflare import TOKEN_VARIABLE as CLOUDFLARE_TOKEN
from wire.cloudflare import AccessApplication, CloudflareApi, token_from_environment
from wire.kong import TOKEN_VARIABLE as KONG_TOKEN
from wire.kong import DataPlane, KongAdmin


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
    if key not in config_of(read(project.stack_file(environment))):
        return None
    variable = CLOUDFLARE_TOKEN if key.startswith("cloudflare") else KONG_TOKEN
    try:
        with workspace(target, environment) as selected:
            return str(selected.get_config(key).value) or None
    except RingwallError as error:
        raise RingwallError(f"{variable} is not set, and {key} in the stack file cannot be opened: {error}") from None
