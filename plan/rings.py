"""What each ring enforces, derived from resources, planned or deployed. A summary to read: nothing is judged here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model.text import counted
from plan.grant_words import budget_words, first_names, grantees_words
from plan.plugin_words import plugin_control, plugin_detail

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Enforcement:
    """One control that a ring enforces, in a reviewer's words: what it controls, and how in detail."""

    ring: str
    control: str
    detail: str


RINGS = ("edge", "gateway", "guard", "origin")

_GRANTED = ("tools", "prompts", "resources", "models")
_LIMITS = {
    "body_kilobytes": "KiB a request",
    "concurrency": "calls at once",
    "principal_tokens_per_minute": "tokens a minute",
    "requests_per_hour": "requests an hour",
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute of all callers",
}
_IDENTITY = {"header": "signed token in Ringwall-Identity", "meta": "signed token in _meta io.ringwall/identity"}


def ring_of(token: str) -> str | None:
    """The ring that a resource belongs to; None for a component that holds several."""
    kind = token.rsplit(":", 1)[-1]
    if token.startswith("cloudflare:") or kind in ("Edge", "PublicName"):
        return "edge"
    if token.startswith("kong:") or kind in ("Gateway", "InnerGateway"):
        return "gateway"
    return {"Guard": "guard", "Origin": "origin"}.get(kind)


def protections(resources: Iterable[tuple[str, Inputs]]) -> list[Enforcement]:
    """Rows in ring order for ``(type token, inputs)`` pairs; resources that protect nothing by themselves have no row."""
    rows: set[Enforcement] = set()
    for token, inputs in resources:
        kind = token.rsplit(":", 1)[-1]
        if kind in _CONTROLS:
            ring, controls = _CONTROLS[kind]
            rows.update(Enforcement(ring, control, detail) for control, detail in controls(inputs))
    return sorted(rows, key=lambda row: (RINGS.index(row.ring), row.control, row.detail))


# Each of the following gives the controls of a kind of resource, with their details.

Controls = Iterator[tuple[str, str]]


def _application(inputs: Inputs) -> Controls:
    policies = counted(len(inputs.get("policies") or []), "policy", "policies")
    name = inputs.get("domain") or ", ".join(_destination(place) for place in inputs.get("destinations") or [])
    yield f"Access before {name}", f"{policies}, sign-in lasts {inputs.get('sessionDuration', '?')}"


def _destination(destination: Inputs) -> str:
    if server := destination.get("mcpServerId"):
        return f"{server} in the portal"
    return str(destination.get("uri", ""))


def _policy(inputs: Inputs) -> Controls:
    admitted, needed = (_conditions(inputs.get(key)) for key in ("includes", "requires"))
    needs = f"; needs {' and '.join(needed)}" if needed else ""
    yield f"policy {inputs.get('name')}", f"{inputs.get('decision')} {first_names(admitted)}{needs}"


def _group(inputs: Inputs) -> Controls:
    yield f"group {inputs.get('name')}", first_names(_conditions(inputs.get("includes")))


def _conditions(rules: Any) -> list[str]:
    """Access rules in words: the kind of each and what it names; a reference stands as the resource's own name."""
    return [
        " ".join([kind, *(str(value).removeprefix("${").partition(".id}")[0] for value in (body or {}).values())])
        for rule in rules or []
        for kind, body in rule.items()
    ]


def _authority(inputs: Inputs) -> Controls:
    hostnames = ", ".join(str(hostname) for hostname in inputs.get("associatedHostnames") or []) or "no name"
    yield f"authority {inputs.get('name')}", f"signs agents' certificates for {hostnames}"


def _tunnel(inputs: Inputs) -> Controls:
    rules = [rule for rule in (inputs.get("config") or {}).get("ingresses") or [] if rule.get("hostname")]
    checked = sum(1 for rule in rules if ((rule.get("originRequest") or {}).get("access") or {}).get("required"))
    yield "tunnel checks the Access token", f"in {checked} of {counted(len(rules), 'ingress rule')}, else 404"


def _record(inputs: Inputs) -> Controls:
    yield f"name {inputs.get('name')}", "proxied; made last, removed first"


def _pushed_log(inputs: Inputs) -> Controls:
    fields = counted(len((inputs.get("outputOptions") or {}).get("fieldNames") or []), "field")
    yield f"pushed log {inputs.get('dataset')}", f"{fields} of each record, to a destination that is a secret"


def _portal(inputs: Inputs) -> Controls:
    servers = counted(len(inputs.get("servers") or []), "server")
    yield f"MCP portal {inputs.get('hostname')}", f"offers {servers}, code mode {inputs.get('codeMode')}"


def _portal_server(inputs: Inputs) -> Controls:
    caller = "as the person who uses it" if inputs.get("authType") == "oauth" else "as an agent, whoever uses it"
    yield f"portal's server {inputs.get('name')}", f"called at {inputs.get('hostname')} {caller}"


def _plugin(inputs: Inputs) -> Controls:
    yield plugin_control(inputs), plugin_detail(inputs)


def _upstream(inputs: Inputs) -> Controls:
    checks = inputs.get("healthchecks") or {}
    passive = (checks.get("passive") or {}).get("unhealthy") or {}
    if not (passive.get("httpFailures") or passive.get("tcpFailures")):
        return
    failures = passive.get("httpFailures", "?")
    if (checks.get("active") or {}).get("type") == "tcp":
        yield "inner route: failover", f"a target is left out after {failures} failures, until its port opens"
    else:
        yield "circuit breaker", f"opens after {failures} failures; probes /healthz"


def _guard(inputs: Inputs) -> Controls:
    yield "verdict engines", ", ".join(inputs.get("engines") or [])
    legs = [f"{leg}: {action}" for leg, action in sorted((inputs.get("legs") or {}).items()) if action != "block"]
    yield "what an engine finds", f"is blocked{', but ' + ', '.join(legs) if legs else ''}"
    yield "listens on", f"127.0.0.1:{inputs.get('port')}"
    for grant in inputs.get("grants") or []:
        granted = [f"{kind} {first_names(grant[kind])}" for kind in _GRANTED if grant.get(kind)]
        ending = ", read only" if grant.get("read_only") else ""
        if budget := budget_words(grant.get("budget")):
            ending = f", at most {budget}"
        yield f"grant to {grantees_words(grant.get('to') or {})}", "; ".join(granted) + ending
    if not inputs.get("grants"):
        yield "grants", "none: nobody may call anything"
    limits = {name: value for name, value in (inputs.get("limits") or {}).items() if isinstance(value, int)}
    if limits:
        yield "limits of a caller", ", ".join(f"{n} {_LIMITS.get(name, name)}" for name, n in sorted(limits.items()))
    for whose, key in (("limits of a caller", "principal"), ("limits of all callers", "all")):
        if budget := budget_words((inputs.get("model_limits") or {}).get(key)):
            yield whose, budget


def _origin(inputs: Inputs) -> Controls:
    if providers := inputs.get("providers"):
        for model, targets in providers.items():
            yield f"prompts for {model} go to", ", ".join(targets)
        return
    origin = inputs.get("origin") or {}
    address = origin.get("url") or origin.get("socket") or " ".join(origin.get("command") or [])
    yield "server reached only at", str(address)
    if (place := origin.get("identity")) in _IDENTITY:
        yield "server told who calls", _IDENTITY[place]
    if origin.get("headers"):
        yield "headers sent to the server", ", ".join(sorted(origin["headers"]))
    if exchange := origin.get("token_exchange"):
        yield "server acts as the caller", f"{exchange.get('grant')} at {exchange.get('token_endpoint')}"


_CONTROLS: dict[str, tuple[str, Callable[[Inputs], Controls]]] = {
    "DnsRecord": ("edge", _record),
    "LogpushJob": ("edge", _pushed_log),
    "ZeroTrustAccessAiControlsMcpPortal": ("edge", _portal),
    "ZeroTrustAccessAiControlsMcpServer": ("edge", _portal_server),
    "ZeroTrustAccessApplication": ("edge", _application),
    "ZeroTrustAccessGroup": ("edge", _group),
    "ZeroTrustAccessMtlsCertificate": ("edge", _authority),
    "ZeroTrustAccessPolicy": ("edge", _policy),
    "ZeroTrustTunnelCloudflaredConfig": ("edge", _tunnel),
    "Plugin": ("gateway", _plugin),
    "Upstream": ("gateway", _upstream),
    "Guard": ("guard", _guard),
    "Origin": ("origin", _origin),
}
