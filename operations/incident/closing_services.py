"""The two services that close a server without the engine: Cloudflare's API and Kong's Admin API, each as a protocol.

An incident command asks them instead of the backend: they show what is live, and need neither the engine nor its secrets.
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


class EdgeService(Protocol):
    """The Access applications of a Cloudflare account, and what closes them."""

    def applications(self) -> list[AccessApplication]: ...
    def closing_policy(self, name: str) -> str: ...
    def deny_everyone(self, application: AccessApplication, policy: str) -> None: ...
    def remove_closing_policy(self, name: str) -> None: ...
    def resolves(self, hostname: str) -> bool: ...
    def revoke_sessions(self, application: str) -> None: ...


class GatewayService(Protocol):
    """The routes and plugins of a Kong gateway, and the configuration that its data planes have."""

    def routes(self, tag: str) -> dict[str, str]: ...
    def route_id(self, name: str) -> str | None: ...
    def put_plugin(self, id_: str, route: str, plugin: dict[str, Any]) -> None: ...
    def remove_plugin(self, id_: str) -> None: ...
    def plugins(self, tag: str) -> list[str]: ...
    def worker_frequency(self) -> float: ...
    def data_planes(self) -> Sequence[DataPlane] | None: ...


def edge_of(project: Project, environment: str, settings: Environment, target: Target) -> CloudflareApi:
    """A client of the environment's Cloudflare account.

    Raises:
        RingwallError: there is no API token, or it cannot be one.
    """
    token = token_from_environment() or _from_stack_file(project, environment, "cloudflare:apiToken", target)
    if token is None:
        raise InputError(f"{CLOUDFLARE_TOKEN} is not set", remedy="set it to the account's token")
    return CloudflareApi(settings.cloudflare, token)


def gateway_of(project: Project, environment: str, settings: Environment, target: Target) -> KongAdmin:
    """A client of the environment's Kong Admin API; where there is no token, requests carry none.

    Raises:
        RingwallError: the token in the stack file cannot be opened.
    """
    token = os.environ.get(KONG_TOKEN) or _from_stack_file(project, environment, "kong:kongAdminToken", target)
    return KongAdmin(settings.gateway, token)


def _from_stack_file(project: Project, environment: str, key: str, target: Target) -> str | None:
    """A token that stands encrypted in the stack file, None without one. This is the only thing the engine is needed for.

    Raises:
        RingwallError: the token is there and cannot be decrypted.
    """
    if key not in config_of(read(project.stack_file(environment))):
        return None
    variable = CLOUDFLARE_TOKEN if key.startswith("cloudflare") else KONG_TOKEN
    try:
        with workspace(target, environment) as selected:
            return str(selected.get_config(key).value) or None
    except RingwallError as error:
        raise RingwallError(
            f"{variable} is not set, and {key} in the stack file cannot be opened: {error.summary}", remedy=error.remedy
        ) from None
