"""What a data plane is configured with: services, routes, plugins, consumers and their credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4


class Unsupported(Exception):
    """The stand-in does not know this, so it would have to guess what Kong does."""


def _new_id() -> str:
    return str(uuid4())


@dataclass(frozen=True)
class JwtCredential:
    """One public key; `key` is what `key_claim_name` must say."""

    key: str
    rsa_public_key: str
    algorithm: str = "RS256"
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True)
class KeyCredential:
    key: str
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True)
class Consumer:
    username: str
    custom_id: str | None = None
    groups: tuple[str, ...] = ()
    jwt: tuple[JwtCredential, ...] = ()
    keys: tuple[KeyCredential, ...] = ()
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True)
class Plugin:
    """`config` as the Admin API takes it; an absent option has its default. Without `service` it is global."""

    name: str
    config: dict[str, Any]
    service: str | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Service:
    """`targets` are what its host resolves to, `address:port`; the first one is asked."""

    name: str
    targets: tuple[str, ...]
    read_timeout: float = 60.0
    connect_timeout: float = 60.0
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True)
class Route:
    """A path that starts with `~` is a regular expression anchored at the start, any other is a prefix."""

    service: str
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    preserve_host: bool = True

    def matches(self, host: str, path: str, method: str) -> bool:
        if self.hosts and host not in self.hosts:
            return False
        if self.methods and method not in self.methods:
            return False
        return not self.paths or any(
            re.match(one[1:], path) is not None if one.startswith("~") else path.startswith(one) for one in self.paths
        )


@dataclass(frozen=True)
class Configuration:
    services: tuple[Service, ...] = ()
    routes: tuple[Route, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    #: The gateway's own environment, which `{vault://env/NAME}` reads.
    environment: Mapping[str, str] = field(default_factory=dict)

    def resolved(self, value: str) -> str:
        """A referenceable value; one that the environment does not have stays as it is written."""
        named = re.fullmatch(r"\{vault://env/([a-z0-9-]+)\}", value)
        return value if named is None else self.environment.get(named[1].replace("-", "_").upper(), value)

    def plugins_of(self, service: Service) -> list[Plugin]:
        """One instance of a plugin runs per request, the most specific (kong/runloop/plugins_iterator.lua)."""
        chosen: dict[str, Plugin] = {}
        for plugin in self.plugins:
            if plugin.enabled and plugin.service in (None, service.name):
                held = chosen.get(plugin.name)
                if held is not None and held.service == plugin.service:
                    raise Unsupported(f"two {plugin.name} at one place: Kong refuses the second (409)")
                if held is None or held.service is None:
                    chosen[plugin.name] = plugin
        return list(chosen.values())
