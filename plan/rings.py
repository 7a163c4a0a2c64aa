"""What each ring enforces, derived from resources, planned or deployed. A summary to read: nothing is judged here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


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
    "rate-limiting": "requests per principal",
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
        name = inputs.get("domain") or ", ".join(d.get("uri", "") for d in inputs.get("destinations") or [])
        return [Enforcement("edge", f"Access before {name}", f"{policies} policies, sign-in lasts {session}")]
    if kind == "ZeroTrustTunnelCloudflaredConfig":
        rules = [rule for rule in (inputs.get("config") or {}).get("ingresses") or [] if rule.get("hostname")]
        checked = sum(1 for rule in rules if ((rule.get("originRequest") or {}).get("access") or {}).get("required"))
        detail = f"in {checked} of {len(rules)} ingress rules, else 404"
        return [Enforcement("edge", "tunnel checks the Access token", detail)]
    if kind == "DnsRecord":
        return [Enforcement("edge", f"name {inputs.get('name')}", "proxied; made last, removed first")]
    if kind == "ZeroTrustAccessPolicy":
        requires = sum(1 for rule in inputs.get("requires") or [] for _ in rule)
        detail = f"{inputs.get('decision')}, {requires} further conditions"
        return [Enforcement("edge", f"policy {inputs.get('name')}", detail)]
    if kind == "Plugin":
        return [Enforcement("gateway", _PLUGINS.get(str(inputs.get("name")), str(inputs.get("name"))), _plugin(inputs))]
    if kind == "Upstream":
        passive = ((inputs.get("healthchecks") or {}).get("passive") or {}).get("unhealthy") or {}
        detail = f"opens after {passive.get('httpFailures', '?')} failures; probes /healthz"
        return [Enforcement("gateway", "circuit breaker", detail)]
    if kind == "Guard":
        tools = sorted({tool for grant in inputs.get("grants") or [] for tool in grant.get("tools") or []})
        return [
            Enforcement("guard", "verdict engines", ", ".join(inputs.get("engines") or [])),
            Enforcement("guard", "tools granted", ", ".join(tools) or "none"),
            Enforcement("guard", "listens on", f"127.0.0.1:{inputs.get('port')}"),
        ]
    if kind == "Origin":
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


_IDENTITY = {"header": "signed token in Ringwall-Identity", "meta": "signed token in _meta io.ringwall/identity"}


def _plugin(inputs: Mapping[str, Any]) -> str:
    name = str(inputs.get("name"))
    try:
        config = json.loads(inputs.get("configJson") or "{}")
    except (TypeError, ValueError):
        return name
    if name == "rate-limiting":
        parts = [f"{config[unit]} per {unit}" for unit in ("second", "minute", "hour", "day") if config.get(unit)]
        return ", ".join(parts) + ("" if config.get("fault_tolerant") else "; fails closed")
    if name == "response-ratelimiting":
        limits = config.get("limits") or {}
        return ", ".join(f"{n} {kind} per {unit}" for kind, units in limits.items() for unit, n in units.items() if n)
    if name == "request-size-limiting":
        return f"at most {config.get('allowed_payload_size')} {config.get('size_unit')}"
    if name == "acl":
        return "only " + ", ".join(config.get("allow") or [])
    if name == "jwt":
        return f"RS256 key by {config.get('key_claim_name')}; checks {', '.join(config.get('claims_to_verify') or [])}"
    return f"plugin {name}"
