"""Judge a plugin's config by the JSON schemas that Kong publishes for a licensed line (3.15): types, enums, bounds, fields.

They lack the checks across fields, which `CROSS_FIELD` adds from the plugins' own pages and messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

ROOT = Path(__file__).parents[2].parent / "shared" / "kong-schemas"

Config = dict[str, Any]


def config_schema(name: str) -> dict[str, Any]:
    """The schema of a plugin's `config`; skips where the reference data is absent."""
    if not ROOT.is_dir():
        pytest.skip("../shared is not here: Kong's published schemas not checked")
    schema: dict[str, Any] = json.loads((ROOT / f"{name}.json").read_text(encoding="utf-8"))
    closed: dict[str, Any] = _closed(schema["properties"]["config"])
    return closed


def _closed(schema: Any) -> Any:
    """The schema with every record refusing fields that it does not name."""
    if not isinstance(schema, dict):
        return schema
    result = {key: _closed(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        result["properties"] = {key: _closed(value) for key, value in schema["properties"].items()}
        result.setdefault("additionalProperties", False)
    return result


def _present(value: Any) -> Any:
    """Kong reads null as unset."""
    if isinstance(value, dict):
        return {key: _present(inner) for key, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value


def plugin_problems(name: str, config: Config) -> list[str]:
    """What Kong would refuse about a config, and every field that it leaves to Kong."""
    schema = config_schema(name)
    validator = jsonschema.Draft202012Validator(schema)
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(_present(config))]
    return (
        problems
        + _misnamed(schema, config, "config")
        + [text for text, holds in CROSS_FIELD.get(name, ()) if not holds(config)]
    )


def _misnamed(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    if isinstance(value, list):
        inner = schema.get("items", {})
        return [text for index, one in enumerate(value) for text in _misnamed(inner, one, f"{path}[{index}]")]
    if not isinstance(value, dict):
        return []
    missing = [f"{path}.{key} is not written" for key in schema.get("properties", {}) if key not in value]
    if "properties" in schema:
        missing += [f"{path}.{key} is no field" for key in value if key not in schema["properties"]]
    for key, inner in schema.get("properties", {}).items():
        missing += _misnamed(inner, value.get(key), f"{path}.{key}")
    return missing


def _same_length(config: Config) -> bool:
    return len(config["limit"]) == len(config["window_size"]) > 0


def _azure_is_named(config: Config) -> bool:
    model = config["embeddings"]["model"]
    azure = model["options"]["azure"]
    return model["provider"] != "azure" or bool(azure["instance"] and azure["deployment_id"])


#: Of every plugin that compares by meaning.
_VECTORS: tuple[tuple[str, Callable[[Config], bool]], ...] = (
    ("azure needs instance and deployment", _azure_is_named),
    ("vectors have a length", lambda c: c["vectordb"]["dimensions"] > 0),
)
#: Kong's plugin pages: openid-connect, rate-limiting-advanced, ai-mcp-oauth2, ai-proxy-advanced.
CROSS_FIELD: dict[str, tuple[tuple[str, Callable[[Config], bool]], ...]] = {
    "ai-semantic-cache": (
        *_VECTORS,
        ("answers are kept for a time", lambda c: c["cache_ttl"] > 0),
    ),
    "ai-semantic-prompt-guard": (
        *_VECTORS,
        (
            "a prompt is compared with something",
            lambda c: bool(c["rules"]["deny_prompts"] or c["rules"]["allow_prompts"]),
        ),
    ),
    "ai-rate-limiting-advanced": (
        ("policies or llm_providers, not both", lambda c: bool(c["policies"]) != bool(c["llm_providers"])),
        ("each policy limits something", lambda c: all(policy["limits"] for policy in c["policies"])),
        ("a local strategy takes no rate", lambda c: c["strategy"] != "local" or c["sync_rate"] is None),
    ),
    "ai-sanitizer": (("something is looked for", lambda c: bool(c["anonymize"])),),
    "openid-connect": (
        (
            "a pseudo issuer needs keys of its own, or a place where it is asked",
            lambda c: not c["using_pseudo_issuer"] or bool(c["jwks_endpoint"] or c["introspection_endpoint"]),
        ),
        (
            "whoever asks about tokens is a client with a secret",
            lambda c: (
                "introspection" not in c["auth_methods"]
                or (
                    bool(c["introspection_endpoint"])
                    and len(c["client_id"] or []) == len(c["client_secret"] or []) == 1
                )
            ),
        ),
        (
            "a token is read from a header",
            lambda c: not c["bearer_token_header_name"] or "header" in c["bearer_token_param_type"],
        ),
    ),
    "rate-limiting-advanced": (
        ("limits and windows must match", _same_length),
        ("a header is counted by its name", lambda c: c["identifier"] != "header" or bool(c["header_name"])),
        ("local counters take no sync_rate", lambda c: (c["strategy"] == "local") == (c["sync_rate"] is None)),
    ),
    "ai-mcp-oauth2": (
        ("claim_to_header xor upstream_headers", lambda c: not (c["claim_to_header"] and c["upstream_headers"])),
        ("introspection needs a client", lambda c: not c["introspection_endpoint"] or bool(c["client_id"])),
    ),
    "rate-limiting": (
        ("a limit is needed", lambda c: any(c[unit] for unit in ("second", "minute", "hour", "day", "month", "year"))),
    ),
    "acl": (("allow xor deny", lambda c: (c["allow"] is None) != (c["deny"] is None)),),
    "ai-proxy-advanced": (
        ("every target stands in one format", lambda c: len({target["route_type"] for target in c["targets"]}) == 1),
        ("azure needs instance and deployment", lambda c: all(map(_azure_is_whole, c["targets"]))),
    ),
}


def _azure_is_whole(target: Config) -> bool:
    options = target["model"]["options"]
    return target["model"]["provider"] != "azure" or bool(options["azure_instance"] and options["azure_deployment_id"])
