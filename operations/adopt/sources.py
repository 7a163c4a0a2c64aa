"""Reads what exists at Cloudflare and Kong, for adopting: the real APIs with GET alone, or the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from engine.repair.kinds import SHAPES, Kind
from engine.workspace import Target
from model.environment import Environment
from model.errors import Unreachable
from wire.cloudflare import TOKEN_VARIABLE, token_from_environment
from wire.cloudflare_reader import CloudflareReader
from wire.kong_reader import KongReader

Item = Mapping[str, Any]


class SetupSource(Protocol):
    """What exists, as the APIs show it: names in their spelling, Kong's references as ``{"id": …}``."""

    def all(self, kind: Kind) -> Sequence[Item]:
        """Every object of a kind in the environment's account, zone or gateway; raises `Unreachable`."""

    def ingress(self, tunnel: str) -> Item:
        """A tunnel's configuration; empty where it has none at Cloudflare."""


class ApiSource:
    """Asks the real APIs."""

    def __init__(self, account: str, zone: str, cloudflare: CloudflareReader, kong: KongReader) -> None:
        self._inputs = {"accountId": account, "zoneId": zone}
        self._cloudflare, self._kong = cloudflare, kong
        self._lists: dict[Kind, Sequence[Item]] = {}

    def all(self, kind: Kind) -> Sequence[Item]:
        if kind not in self._lists:
            self._lists[kind] = self._list(kind)
        return self._lists[kind]

    def _list(self, kind: Kind) -> Sequence[Item]:
        shape = SHAPES[kind]
        if shape.provider == "kong":
            return self._kong.list_all(f"/{kind.value}s") or []
        if shape.path is None:
            raise TypeError(f"{kind} has no list")
        return list(self._cloudflare.read_all(shape.path(self._inputs), shape.permission))

    def ingress(self, tunnel: str) -> Item:
        path = f"/accounts/{self._inputs['accountId']}/cfd_tunnel/{tunnel}/configurations"
        result = self._cloudflare.read(path, SHAPES[Kind.tunnel].permission)
        return result if isinstance(result, dict) else {}


class SandboxSource:
    """Looks into what the sandbox's providers hold."""

    def __init__(self, objects: Callable[[str], Sequence[Item]]) -> None:
        self._objects = objects

    def all(self, kind: Kind) -> Sequence[Item]:
        items = self._objects(SHAPES[kind].token)
        return [self._with_policies(item) for item in items] if kind is Kind.application else items

    def _with_policies(self, application: Item) -> Item:
        """Cloudflare shows an application with its policies whole."""
        policies = {policy["id"]: policy for policy in self._objects(SHAPES[Kind.policy].token)}
        shown = [policies.get(policy.get("id"), {}) | policy for policy in application.get("policies") or ()]
        rules = [{**policy, "include": [_rule(rule) for rule in policy.get("includes") or ()]} for policy in shown]
        return {**application, "policies": rules}

    def ingress(self, tunnel: str) -> Item:
        configurations = self._objects(SHAPES[Kind.ingress].token)
        return next((item for item in configurations if item.get("tunnel_id") == tunnel), {})


def _rule(rule: Item) -> dict[str, Any]:
    """A rule in the API's spelling; the sandbox keeps Pulumi's below the first level."""
    return {"email_domain" if key == "emailDomain" else key: value for key, value in rule.items()}


@contextmanager
def opened_source(target: Target, settings: Environment) -> Iterator[SetupSource]:
    """The sandbox's objects, or the real APIs; raises `Unreachable` where no token is set or Kong is another version."""
    if target.sandbox_objects is not None:
        yield SandboxSource(target.sandbox_objects)
        return
    token = token_from_environment()
    if token is None:
        raise Unreachable("Cloudflare cannot be asked for what is there", remedy=f"set {TOKEN_VARIABLE}")
    with CloudflareReader(settings.cloudflare, token) as cloudflare, KongReader(settings.gateway) as kong:
        kong.check_version()
        yield ApiSource(settings.cloudflare.account_id, settings.cloudflare.zone_id, cloudflare, kong)
