"""Expressions of the zone's custom rules (Cloudflare Rules language). Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from model.zone import CountryRule, KeptRule, Zone


def ruleset_rules(manifest: Zone) -> list[dict[str, Any]]:
    """Kept rules first, in their order, then one block a country rule. Each has a `ref` of its own: without one the
    provider takes reordered rules for changed ones."""
    return [*(_kept_rule(rule) for rule in manifest.keep), *(_country(rule) for rule in manifest.rules)]


def _kept_rule(rule: KeptRule) -> dict[str, Any]:
    inputs = {key: value for key, value in rule.dump().items() if key not in ("skip", "response", "logging")}
    parameters = rule.skip.model_dump(mode="json", exclude_none=True, exclude_defaults=True) if rule.skip else {}
    if rule.response:
        parameters["response"] = rule.response.dump()
    if parameters:
        inputs["action_parameters"] = parameters
    if rule.logging is not None:
        inputs["logging"] = {"enabled": rule.logging}
    return inputs


def _country(rule: CountryRule) -> dict[str, Any]:
    names = sorted(rule.hostnames)
    return {
        "ref": "ringwall_" + hashlib.sha256("\n".join(names).encode()).hexdigest()[:16],
        "description": f"ringwall: {', '.join(names)} only from {', '.join(sorted(rule.countries))}",
        # lower(): equality in the Rules language minds the case, host names do not.
        "expression": f"(lower(http.host) in {_set(names)} and not ip.src.country in {_set(sorted(rule.countries))})",
        # Block, not challenge: an MCP client cannot solve one.
        "action": "block",
        "enabled": True,
    }


def _set(values: list[str]) -> str:
    """``{"a" "b"}``; a JSON string is a string of the Rules language too."""
    return "{" + " ".join(json.dumps(value) for value in values) + "}"
