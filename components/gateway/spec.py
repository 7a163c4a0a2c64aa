"""`PluginSpec`: a Kong plugin as data, before it is declared as a resource.

Every config here is written out whole, as the 3.9.3 schema has it, and for licensed editions as 3.15's has it: what has a
default carries its value, what has none is null. Two reasons. A guarding default is then part of the review and cannot
change under us; and Kong merges a PATCH, so only a written null takes a removed value away.

`strict_match` is on: only with it does pulumi-kong repair drift of a plugin's config, and then it needs the config
exactly as Kong returns it: nulls included, and with every deprecated name that Kong translates back into its answer.
Those are the shorthand fields whose schema says what replaced them (`redis_host` for `redis.host`); one without that, such
as opentelemetry's `endpoint`, is accepted and never answered (kong/db/schema/init.lua, `process_auto_fields`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.editions import Protection, plugin_name
from components.gateway.licensed.additions import licensed_config
from model.environment import Environment

Config = dict[str, Any]


@dataclass(frozen=True)
class PluginSpec:
    """A Kong plugin: its name at Kong, the last part of its resource name, its whole config, what it is for in a reader's
    words, and the protection that the table of editions gave it."""

    name: str
    suffix: str
    config: Config
    purpose: str
    protection: Protection

    def config_json(self) -> str:
        """As Go's encoder writes it (sorted, compact, `<`, `>` and `&` escaped): the provider compares such texts."""
        text = json.dumps(self.config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        for character in "&<>\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return text


def plugin(protection: Protection, settings: Environment, suffix: str, config: Config, purpose: str) -> PluginSpec:
    """The plugin that enforces `protection` in this environment's edition, its config as OSS 3.9 has it; raises
    InputError where none does."""
    name = name_of(protection, settings)
    if settings.gateway.edition != "oss":
        config = licensed_config(name, config)
    return PluginSpec(name, suffix, config, purpose, protection)


def name_of(protection: Protection, settings: Environment) -> str:
    """The plugin that enforces `protection` in this environment's edition; raises InputError where none does."""
    return plugin_name(protection, settings.gateway.edition, settings.gateway.version)


def without_headers(names: Iterable[str]) -> Config:
    """A config of request-transformer that takes these headers off a request and does nothing else to it."""
    empty: Config = {"body": [], "headers": [], "querystring": []}
    return {
        "http_method": None,
        "remove": {**empty, "headers": sorted(names)},
        "rename": dict(empty),
        "replace": {**empty, "uri": None},
        "add": dict(empty),
        "append": dict(empty),
    }
