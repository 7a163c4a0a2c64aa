"""What each ring enforces, derived from resources, planned or deployed. A summary to read: nothing is judged here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.text import counted


@dataclass(frozen=True)
class Enforcement:
    """One control that a ring enforces, in a reviewer's words: what it controls, and how in detail."""

    ring: str
    control: str
    detail: str


RINGS = ("edge", "gateway", "guard", "origin")

_PLUGINS = {
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
_LIMITS = {
    "body_kilobytes": "KiB a request",
    "concurrency": "calls at once",
    "principal_tokens_per_minute": "tokens a minute",
    "requests_per_hour": "requests an hour",
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute of all callers",
}


def protections(resources: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Enforcement]:
    """Rows in ring order for ``(type token, inputs)`` pairs; resources that protect nothing by themselves have no row."""
    rows: list[Enforcement] = []
    for token, inputs in resources:
        rows += _rows(token.rsplit(":", 1)[-1], inputs)
    return sorted(set(rows), key=lambda row: (RINGS.index(row.ring), row.control, row.detail))


def _rows(kind: str, inputs: Mapping[str, Any]) -> list[Enforcement]:
    if kind == "ZeroTrustAccessApplication":
        policies = len(inputs.get("policies") or [])
        session = inputs.get("sessionDuration", "?")
        name = inputs.get("domain") or ", ".join(_destination(d) for d in inputs.get("destinations") or [])
        return [
            Enforcement(
                "edge", f"Access before {name}", f"{counted(policies, 'policy', 'policies')}, sign-in lasts {session}"
            )
        ]
    if kind == "ZeroTrustTunnelCloudflaredConfig":
        rules = [rule for rule in (inputs.get("config") or {}).get("ingresses") or [] if rule.get("hostname")]
        checked = sum(1 for rule in rules if ((rule.get("originRequest") or {}).get("access") or {}).get("required"))
        detail = f"in {checked} of {counted(len(rules), 'ingress rule')}, else 404"
        return [Enforcement("edge", "tunnel checks the Access token", detail)]
    if kind == "DnsRecord":
        return [Enforcement("edge", f"name {inputs.get('name')}", "proxied; made last, removed first")]
    if kind == "LogpushJob":
        fields = ((inputs.get("outputOptions") or {}).get("fieldNames")) or []
        detail = f"{counted(len(fields), 'field')} of each record, to a destination that is a secret"
        return [Enforcement("edge", f"pushed log {inputs.get('dataset')}", detail)]
    if kind == "ZeroTrustAccessAiControlsMcpPortal":
        code = inputs.get("codeMode")
        detail = f"offers {counted(len(inputs.get('servers') or []), 'server')}, code mode {code}"
        return [Enforcement("edge", f"MCP portal {inputs.get('hostname')}", detail)]
    if kind == "ZeroTrustAccessAiControlsMcpServer":
        caller = "as the person who uses it" if inputs.get("authType") == "oauth" else "as an agent, whoever uses it"
        return [
            Enforcement("edge", f"portal's server {inputs.get('name')}", f"called at {inputs.get('hostname')} {caller}")
        ]
    if kind == "ZeroTrustAccessPolicy":
        admitted, needed = (_conditions(inputs.get(key)) for key in ("includes", "requires"))
        detail = f"{inputs.get('decision')} {_first(admitted)}" + (f"; needs {' and '.join(needed)}" if needed else "")
        return [Enforcement("edge", f"policy {inputs.get('name')}", detail)]
    if kind == "ZeroTrustAccessMtlsCertificate":
        hostnames = ", ".join(str(hostname) for hostname in inputs.get("associatedHostnames") or []) or "no name"
        return [Enforcement("edge", f"authority {inputs.get('name')}", f"signs agents' certificates for {hostnames}")]
    if kind == "ZeroTrustAccessGroup":
        return [Enforcement("edge", f"group {inputs.get('name')}", _first(_conditions(inputs.get("includes"))))]
    if kind == "Plugin":
        return [Enforcement("gateway", _control(inputs), _plugin(inputs))]
    if kind == "Upstream":
        passive = ((inputs.get("healthchecks") or {}).get("passive") or {}).get("unhealthy") or {}
        if not (passive.get("httpFailures") or passive.get("tcpFailures")):
            return []
        if (((inputs.get("healthchecks") or {}).get("active") or {}).get("type")) == "tcp":
            detail = f"a target is left out after {passive.get('httpFailures', '?')} failures, until its port opens"
            return [Enforcement("gateway", "inner route: failover", detail)]
        detail = f"opens after {passive.get('httpFailures', '?')} failures; probes /healthz"
        return [Enforcement("gateway", "circuit breaker", detail)]
    if kind == "Guard":
        return _guard(inputs)
    if kind == "Origin":
        if providers := inputs.get("providers"):
            return [
                Enforcement("origin", f"prompts for {model} go to", ", ".join(targets))
                for model, targets in sorted(providers.items())
            ]
        origin = inputs.get("origin") or {}
        address = origin.get("url") or origin.get("socket") or " ".join(origin.get("command") or [])
        rows = [Enforcement("origin", "server reached only at", str(address))]
        if (place := origin.get("identity")) in _IDENTITY:
            rows.append(Enforcement("origin", "server told who calls", _IDENTITY[place]))
        if origin.get("headers"):
            rows.append(Enforcement("origin", "headers sent to the server", ", ".join(sorted(origin["headers"]))))
        if exchange := origin.get("token_exchange"):
            rows.append(
                Enforcement(
                    "origin",
                    "server acts as the caller",
                    f"{exchange.get('grant')} at {exchange.get('token_endpoint')}",
                )
            )
        return rows
    return []


def _destination(destination: Mapping[str, Any]) -> str:
    if server := destination.get("mcpServerId"):
        return f"{server} in the portal"
    return str(destination.get("uri", ""))


_IDENTITY = {"header": "signed token in Ringwall-Identity", "meta": "signed token in _meta io.ringwall/identity"}


def _guard(inputs: Mapping[str, Any]) -> list[Enforcement]:
    open_legs = [f"{leg}: {action}" for leg, action in sorted((inputs.get("legs") or {}).items()) if action != "block"]
    rows = [
        Enforcement("guard", "verdict engines", ", ".join(inputs.get("engines") or [])),
        Enforcement(
            "guard", "what an engine finds", f"is blocked{', but ' + ', '.join(open_legs) if open_legs else ''}"
        ),
        Enforcement("guard", "listens on", f"127.0.0.1:{inputs.get('port')}"),
    ]
    for grant in inputs.get("grants") or []:
        granted = [f"{kind} {_first(grant[kind])}" for kind in _GRANTED if grant.get(kind)]
        ending = ", read only" if grant.get("read_only") else ""
        if budget := budget_words(grant.get("budget")):
            ending = f", at most {budget}"
        rows.append(
            Enforcement("guard", f"grant to {grantees_words(grant.get('to') or {})}", "; ".join(granted) + ending)
        )
    if not inputs.get("grants"):
        rows.append(Enforcement("guard", "grants", "none: nobody may call anything"))
    limits = {name: value for name, value in (inputs.get("limits") or {}).items() if isinstance(value, int)}
    if limits:
        parts = (f"{value} {_LIMITS.get(name, name)}" for name, value in sorted(limits.items()))
        rows.append(Enforcement("guard", "limits of a caller", ", ".join(parts)))
    for whose, key in (("limits of a caller", "principal"), ("limits of all callers", "all")):
        if budget := budget_words((inputs.get("model_limits") or {}).get(key)):
            rows.append(Enforcement("guard", whose, budget))
    return rows


_GRANTED = ("tools", "prompts", "resources", "models")


def budget_words(budget: Any) -> str:
    """A model route's budget: ``60 requests a minute, cost 5.00 a day``; empty where it has none."""
    parts = []
    for key, value in (budget or {}).items():
        unit, _, period = str(key).partition("_per_")
        if value is not None and period:
            parts.append(
                f"cost {value} a {period}" if unit == "cost" else f"{value} {unit} a{'n' * (period == 'hour')} {period}"
            )
    return ", ".join(parts)


def _control(inputs: Mapping[str, Any]) -> str:
    name = str(inputs.get("name"))
    if name == "acl" and '"guard-' in str(inputs.get("configJson")):
        return "inner route: consumer"
    return _PLUGINS.get(name, name)


def grantees_words(to: Mapping[str, Any]) -> str:
    if to.get("all"):
        return "everyone admitted"
    return _first([str(name) for _, names in sorted(to.items()) if isinstance(names, list) for name in names])


def _conditions(rules: Any) -> list[str]:
    """Access rules in words: the kind of each and what it names; a reference stands as the resource's own name."""
    return [
        " ".join([kind, *(str(value).removeprefix("${").partition(".id}")[0] for value in (body or {}).values())])
        for rule in rules or []
        for kind, body in rule.items()
    ]


def _first(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nobody"


def ring_of(token: str) -> str | None:
    """The ring that a resource belongs to; None for a component that holds several."""
    kind = token.rsplit(":", 1)[-1]
    if token.startswith("cloudflare:") or kind in ("Edge", "PublicName"):
        return "edge"
    if token.startswith("kong:") or kind in ("Gateway", "InnerGateway"):
        return "gateway"
    return {"Guard": "guard", "Origin": "origin"}.get(kind)


def _plugin(inputs: Mapping[str, Any]) -> str:
    name = str(inputs.get("name"))
    try:
        config = json.loads(inputs.get("configJson") or "{}")
    except (TypeError, ValueError):
        return name
    if name == "rate-limiting":
        parts = [f"{config[unit]} per {unit}" for unit in ("second", "minute", "hour", "day") if config.get(unit)]
        return ", ".join(parts) + ("" if config.get("fault_tolerant") else "; fails closed")
    if name == "rate-limiting-advanced":
        windows = zip(config.get("limit") or [], config.get("window_size") or [], strict=False)
        return ", ".join(f"{limit} per {_WINDOWS.get(size, f'{size} s')}" for limit, size in windows) + "; sliding"
    if name == "openid-connect":
        if config.get("auth_methods") == ["introspection"]:
            question = (
                f"asked about each token at {config.get('introspection_endpoint')}, kept {config.get('cache_ttl')} s"
            )
            return f"only {', '.join(config.get('issuers_allowed') or [])}; {question}"
        return (
            "only " + ", ".join(config.get("issuers_allowed") or []) + "; keys from " + str(config.get("jwks_endpoint"))
        )
    if name == "ai-mcp-oauth2":
        return f"only for {config.get('resource')}; keys from {config.get('jwks_endpoint')}"
    if name == "ai-mcp-proxy":
        tools, claim = counted(len(config.get("tools") or []), "tool"), config.get("access_token_claim_field")
        return f"{tools}, each for those whose {claim} its grants name"
    if name == "ai-proxy-advanced":
        return "; ".join(_target_words(target) for target in config.get("targets") or [])
    if name == "response-ratelimiting":
        limits = config.get("limits") or {}
        return ", ".join(f"{n} {kind} per {unit}" for kind, units in limits.items() for unit, n in units.items() if n)
    if name == "request-size-limiting":
        return f"at most {config.get('allowed_payload_size')} {config.get('size_unit')}"
    if name == "acl":
        return "only " + ", ".join(config.get("allow") or [])
    if name == "jwt":
        return f"RS256 key by {config.get('key_claim_name')}; checks {', '.join(config.get('claims_to_verify') or [])}"
    if name == "key-auth":
        return ", ".join(config.get("key_names") or []) + " in a header"
    if name == "ai-proxy":
        return _target_words(config)
    if name == "ai-prompt-decorator":
        return (
            counted(len((config.get("prompts") or {}).get("prepend") or []), "message") + " before every conversation"
        )
    if name == "ai-prompt-guard":
        return "; ".join(
            f"{word} {counted(len(config[key]), 'pattern')}"
            for word, key in (("must match one of", "allow_patterns"), ("refuses", "deny_patterns"))
            if config.get(key)
        )
    return f"plugin {name}"


def _target_words(target: Mapping[str, Any]) -> str:
    model = target.get("model") or {}
    held = (target.get("auth") or {}).get("header_value")
    return f"{model.get('provider')}, {model.get('name')}, {'credential ' + held if held else 'no credential'}"
