"""The stand-in's configuration out of a declarative file, as a node without a database reads it.

Strict as kong/db/schema/others/declarative_config.lua is: unknown fields at the top are refused (`_info` is decK's own), and
entities stand below their parent under the name of their kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.kong_gateway.configuration import (
    Configuration,
    Consumer,
    JwtCredential,
    KeyCredential,
    Plugin,
    Route,
    Service,
    Unsupported,
)

_TOP = {"_format_version", "_transform", "services", "upstreams", "consumers", "plugins"}


def declared_configuration(text: str, *, targets: Mapping[str, str] | None = None) -> Configuration:
    """Every object of the file. `targets` is where a target listens here, by its address in the file."""
    document = yaml.safe_load(text)
    if unknown := sorted(set(document) - _TOP):
        raise Unsupported(f"{unknown[0]}: unknown field")
    addresses = {
        upstream["name"]: tuple((targets or {}).get(one["target"], one["target"]) for one in upstream["targets"])
        for upstream in document.get("upstreams", ())
    }
    services = document.get("services", ())
    return Configuration(
        tuple(
            Service(
                one["name"],
                addresses.get(one["host"], (f"{one['host']}:{one['port']}",)),
                read_timeout=one["read_timeout"] / 1000,
                connect_timeout=one["connect_timeout"] / 1000,
            )
            for one in services
        ),
        tuple(
            Route(
                one["name"],
                tuple(route["hosts"]),
                tuple(route["paths"]),
                tuple(route["methods"]),
                preserve_host=route["preserve_host"],
            )
            for one in services
            for route in one["routes"]
        ),
        (
            *(_plugin(plugin, one["name"]) for one in services for plugin in one["plugins"]),
            *(_plugin(plugin, None) for plugin in document.get("plugins", ())),
        ),
        tuple(
            Consumer(
                one["username"],
                one["custom_id"],
                tuple(group["group"] for group in one["acls"]),
                tuple(
                    JwtCredential(key["key"], key["rsa_public_key"], key["algorithm"])
                    for key in one.get("jwt_secrets", ())
                ),
                tuple(KeyCredential(key["key"]) for key in one.get("keyauth_credentials", ())),
            )
            for one in document.get("consumers", ())
        ),
    )


def _plugin(plugin: dict[str, Any], service: str | None) -> Plugin:
    return Plugin(plugin["name"], plugin["config"], service, enabled=plugin["enabled"])
