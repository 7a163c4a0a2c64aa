"""What a Kong plugin enforces, in a reviewer's words, from its configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from model.text import counted

Config = Mapping[str, Any]

_CONTROLS = {
    "pre-function": "identity: the token is for this server, and names one principal",
    "jwt": "identity: signature and expiry",
    "acl": "identity: issuer",
    "openid-connect": "identity: signature, expiry and issuer",
    "ai-mcp-oauth2": "identity: signature, expiry and resource",
    "ai-mcp-proxy": "tool calls, beside the guard",
    "rate-limiting": "requests per principal",
    "rate-limiting-advanced": "requests per principal",
    "response-ratelimiting": "token budget of the server",
    "request-size-limiting": "request size",
    "request-transformer": "internal headers",
    "response-transformer": "challenge",
    "correlation-id": "correlation id",
    "cors": "browser origins",
    "http-log": "request log (HTTP)",
    "file-log": "request log (file)",
    "opentelemetry": "traces and logs (OTLP)",
    "prometheus": "metrics",
    "request-termination": "protected-resource metadata",
    "key-auth": "inner route: the guard's key",
    "ai-proxy": "models: provider",
    "ai-proxy-advanced": "models: providers",
    "ai-prompt-decorator": "models: system message",
    "ai-prompt-guard": "models: prompt patterns",
    "ai-rate-limiting-advanced": "models: tokens and cost per principal",
    "ai-lakera-guard": "models: Lakera Guard",
    "ai-custom-guardrail": "models: Prisma AIRS",
    "ai-semantic-prompt-guard": "models: topics of prompts",
    "ai-sanitizer": "models: personal data",
    "ai-semantic-cache": "models: cache by meaning, shared by all",
}
_WINDOWS = {60: "minute", 3600: "hour", 86400: "day"}


def plugin_control(inputs: Mapping[str, Any]) -> str:
    """What a plugin controls; the plugin's own name where Ringwall plans none of its kind. `inputs` are the resource's."""
    name = str(inputs.get("name"))
    if name == "acl" and '"guard-' in str(inputs.get("configJson")):
        return "inner route: consumer"
    return _CONTROLS.get(name, name)


def plugin_detail(inputs: Mapping[str, Any]) -> str:
    """How a plugin controls it; the plugin's name where its configuration cannot be read, as it may be not known yet."""
    name = str(inputs.get("name"))
    try:
        config = json.loads(inputs.get("configJson") or "{}")
    except (TypeError, ValueError):
        return name
    words = _DETAILS.get(name)
    return f"plugin {name}" if words is None else words(config)


def _listed(config: Config, key: str) -> str:
    return ", ".join(config.get(key) or [])


def _rate_limiting(config: Config) -> str:
    parts = [f"{config[unit]} per {unit}" for unit in ("second", "minute", "hour", "day") if config.get(unit)]
    return ", ".join(parts) + ("" if config.get("fault_tolerant") else "; fails closed")


def _rate_limiting_advanced(config: Config) -> str:
    windows = zip(config.get("limit") or [], config.get("window_size") or [], strict=False)
    return ", ".join(f"{limit} per {_WINDOWS.get(size, f'{size} s')}" for limit, size in windows) + "; sliding"


def _openid_connect(config: Config) -> str:
    if config.get("auth_methods") == ["introspection"]:
        introspected = (
            f"asked about each token at {config.get('introspection_endpoint')}, kept {config.get('cache_ttl')} s"
        )
        return f"only {_listed(config, 'issuers_allowed')}; {introspected}"
    return f"only {_listed(config, 'issuers_allowed')}; keys from {config.get('jwks_endpoint')}"


def _ai_mcp_oauth2(config: Config) -> str:
    return f"only for {config.get('resource')}; keys from {config.get('jwks_endpoint')}"


def _ai_mcp_proxy(config: Config) -> str:
    tools = counted(len(config.get("tools") or []), "tool")
    return f"{tools}, each for those whose {config.get('access_token_claim_field')} its grants name"


def _response_ratelimiting(config: Config) -> str:
    limits = config.get("limits") or {}
    return ", ".join(f"{n} {kind} per {unit}" for kind, units in limits.items() for unit, n in units.items() if n)


def _request_size_limiting(config: Config) -> str:
    return f"at most {config.get('allowed_payload_size')} {config.get('size_unit')}"


def _acl(config: Config) -> str:
    return f"only {_listed(config, 'allow')}"


def _jwt(config: Config) -> str:
    return f"RS256 key by {config.get('key_claim_name')}; checks {_listed(config, 'claims_to_verify')}"


def _key_auth(config: Config) -> str:
    return f"{_listed(config, 'key_names')} in a header"


def _ai_proxy(config: Config) -> str:
    model = config.get("model") or {}
    held = (config.get("auth") or {}).get("header_value")
    return f"{model.get('provider')}, {model.get('name')}, {'credential ' + held if held else 'no credential'}"


def _ai_proxy_advanced(config: Config) -> str:
    return "; ".join(_ai_proxy(target) for target in config.get("targets") or [])


def _ai_prompt_decorator(config: Config) -> str:
    messages = (config.get("prompts") or {}).get("prepend") or []
    return f"{counted(len(messages), 'message')} before every conversation"


def _ai_prompt_guard(config: Config) -> str:
    return "; ".join(
        f"{word} {counted(len(config[key]), 'pattern')}"
        for word, key in (("must match one of", "allow_patterns"), ("refuses", "deny_patterns"))
        if config.get(key)
    )


_DETAILS: dict[str, Callable[[Config], str]] = {
    "acl": _acl,
    "ai-mcp-oauth2": _ai_mcp_oauth2,
    "ai-mcp-proxy": _ai_mcp_proxy,
    "ai-prompt-decorator": _ai_prompt_decorator,
    "ai-prompt-guard": _ai_prompt_guard,
    "ai-proxy": _ai_proxy,
    "ai-proxy-advanced": _ai_proxy_advanced,
    "jwt": _jwt,
    "key-auth": _key_auth,
    "openid-connect": _openid_connect,
    "rate-limiting": _rate_limiting,
    "rate-limiting-advanced": _rate_limiting_advanced,
    "request-size-limiting": _request_size_limiting,
    "response-ratelimiting": _response_ratelimiting,
}
