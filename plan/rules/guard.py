"""Rules for the third ring: the guard exists, verifies callers, refuses by default, and grants what somebody decided.

They read the guard's whole configuration as the plan renders it (`model.guard_config`), so that a changed component, or a
program without Ringwall's components, is judged by what would reach the host. Tool locks: `plan.rules.lock`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.defaults import GuardRedis
from model.loopback import is_loopback
from plan.findings import Severity
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, host_of, items, mapping
from plan.values import symbol

_LEGS: Final = ("definitions", "arguments", "results", "prompts", "resources", "server_requests")
#: Those of a model route.
_MODEL_LEGS: Final = ("answers", "definitions", "prompts", "tool_calls", "tool_results")
#: Legs on which the manifest allows `block` alone.
_ALWAYS_BLOCK: Final = frozenset({"definitions", "server_requests"})
_RINGS: Final = "Ringwall's order of rings: edge, gateway, guard, origin"


@rule(
    id="guard-missing",
    severity=Severity.ERROR,
    reason="Without a guard's configuration that the plan can read, nothing says which tools who may call.",
    remedy="declare the server with ServerPerimeter, which renders the guard's configuration and exports it",
    source=_RINGS,
    waivable=False,
)
def guard_missing(subject: Subject) -> Iterator[Broken]:
    if subject.mcp_routes and subject.guard is None and not subject.not_yet_known and not subject.lacks_guard:
        yield Broken("an MCP route leads to no guard whose configuration the plan can read")


@rule(
    id="guard-unauthenticated",
    severity=Severity.ERROR,
    reason="A guard that does not verify its callers lets anybody call as a principal that holds grants.",
    remedy="give it the Access identity; the identity `demo` is for `ringwall demo` alone",
    source="Cloudflare One docs, validate JWTs: check the assertion at the origin as well",
    waivable=False,
)
def guard_unauthenticated(subject: Subject) -> Iterator[Broken]:
    if subject.guard is None:
        return
    identity = mapping(subject.guard.get("identity"))
    if identity.get("demo") is not None:
        yield Broken("takes everyone for one principal (identity.demo)", subject.guard_resource)
    elif not mapping(identity.get("access")) and not mapping(identity.get("external")):
        yield Broken("asks nobody who a caller is", subject.guard_resource)


@rule(
    id="guard-audience",
    severity=Severity.ERROR,
    reason="A public name whose audience the guard does not pin takes a sibling server's token for its own.",
    remedy="give every public name a front door with the audience of its own Access application",
    source="Cloudflare One docs, validate JWTs: aud is the application's",
    waivable=False,
)
def guard_audience(subject: Subject) -> Iterator[Broken]:
    if subject.guard is None:
        return
    access = mapping(mapping(subject.guard.get("identity")).get("access"))
    doors = {str(mapping(d).get("hostname")): mapping(d).get("audience") for d in items(access.get("front_doors"))}
    for record in subject.graph.by_type(DNS_RECORD):
        if not doors.get(str(record.inputs.get("name"))):
            yield Broken(f"publishes {record.inputs.get('name')}, whose audience the guard does not pin", record)
    if subject.engine:
        return  # Real audiences are opaque.
    audiences = {symbol(app.name, "aud") for app in subject.graph.by_type(ACCESS_APPLICATION)}
    for name, audience in sorted(doors.items()):
        if audience and str(audience) not in audiences:
            yield Broken(f"takes tokens of another application for {name}", subject.guard_resource)
    used = [audience for audience in doors.values() if audience]
    if len(set(map(str, used))) != len(used):
        yield Broken("has one audience for two public names", subject.guard_resource)


@rule(
    id="guard-fails-open",
    severity=Severity.ERROR,
    outside_production=Severity.WARNING,
    reason="With flag a finding is written down and the call or result passes all the same; for that only trials are"
    " meant. Without an engine there is no verdict at all.",
    remedy="block, or redact where only secrets and personal data are meant",
    source="Ringwall's guard: NO VERDICT is never ALLOW",
)
def guard_fails_open(subject: Subject) -> Iterator[Broken]:
    if subject.guard is None:
        return
    settings = mapping(subject.guard.get("guard"))
    legs = mapping(settings.get("legs"))
    for leg in _MODEL_LEGS if subject.is_model else _LEGS:
        policy = legs.get(leg)
        if policy == "block" or (policy == "redact" and (subject.is_model or leg not in _ALWAYS_BLOCK)):
            continue
        problem = f"only flags what it finds in {leg}" if policy == "flag" else f"does not say what to do with {leg}"
        yield Broken(problem.replace("_", " "), subject.guard_resource, key=("guard", "legs", leg))
    if not any(value is not None for value in mapping(settings.get("engines")).values()):
        yield Broken("has no verdict engine", subject.guard_resource, key=("guard", "engines"))


@rule(
    id="guard-taint-ignored",
    severity=Severity.ERROR,
    outside_production=Severity.WARNING,
    reason="Untrusted text in a result, then a call that can reach out: allowed, an injected page sends data away.",
    remedy="block, or ask where a person can answer",
    source="Invariant Labs, toxic flows; the lethal trifecta (Willison, 2025)",
)
def taint_ignored(subject: Subject) -> Iterator[Broken]:
    if subject.guard is None:
        return
    if subject.is_model:
        if mapping(mapping(subject.guard.get("guard")).get("taint")).get("tool_calls") == "allow":
            text = "lets a model ask for tool calls after untrusted text"
            yield Broken(text, subject.guard_resource, key=("guard", "taint", "tool_calls"))
        return
    outbound = mapping(mapping(subject.guard.get("guard")).get("taint")).get("outbound_call")
    if outbound not in ("block", "ask"):
        text = "allows outbound calls after untrusted text"
        yield Broken(text, subject.guard_resource, key=("guard", "taint", "outbound_call"))


@rule(
    id="guard-taint-apart",
    severity=Severity.INFO,
    reason="Guards of one process, and those with the same Redis, know who read untrusted text and what the writing tools of"
    " all of them are called. A guard on another host knows of neither: an order that was read there closes nothing here.",
    remedy="give the servers of the environment the same guard.redis, or put them on one host",
    source="Ringwall's guard: taint is shared by TaintCircle in one process, else through Redis",
)
def taint_apart(subject: Subject) -> Iterator[Broken]:
    if not subject.production or subject.guard is None or subject.server is None or subject.environment is None:
        return
    judged = subject.server.manifest
    apart = sorted(
        server.stack
        for server in subject.environment.servers.values()
        if server.manifest.host != judged.host and not _share(judged.guard.redis, server.manifest.guard.redis)
    )
    tools = (mapping(tool) for tool in items(mapping(subject.guard.get("tool_lock")).get("tools")))
    writing = sorted(str(tool.get("name")) for tool in tools if tool.get("outbound") and tool.get("risk") != "read")
    if apart and writing:
        text = f"does not close {', '.join(writing)} after untrusted text of {', '.join(apart)}"
        yield Broken(text, subject.guard_resource, key=("guard", "redis"))


def _share(redis: GuardRedis | None, sibling: GuardRedis | None) -> bool:
    return redis is not None and sibling is not None and redis.url == sibling.url


@rule(
    id="guard-write-for-all",
    severity=Severity.ERROR,
    reason="A tool that writes or executes, granted to everyone whom Access admits, is one injected prompt from misuse by"
    " any of them. A tool of unknown risk counts as one that writes.",
    remedy="name the people, groups or agents who need it",
    source="OWASP Agentic AI, tool misuse; MCP specification, tool annotations are untrusted",
)
def write_for_all(subject: Subject) -> Iterator[Broken]:
    for index, grant in enumerate(items((subject.guard or {}).get("grants"))):
        if mapping(mapping(grant).get("to")).get("all") is not True:
            continue
        writing = [t for t in items(mapping(grant).get("tools")) if subject.risks.get(str(t), "unknown") != "read"]
        if writing:
            tools = ", ".join(
                f"{tool} ({subject.risks.get(str(tool), 'unknown')})" for tool in sorted(map(str, writing))
            )
            yield Broken(f"grants {tools} to everyone", subject.guard_resource, key=("grants", index, "tools"))


@rule(
    id="guard-beyond-loopback",
    severity=Severity.ERROR,
    reason="A guard that listens beyond loopback without a pinned client certificate is one more public server.",
    remedy="listen on 127.0.0.1, or give tls_certificate, tls_key and client_ca (topology central)",
    source="Ringwall's topologies",
    waivable=False,
)
def guard_beyond_loopback(subject: Subject) -> Iterator[Broken]:
    listen = mapping((subject.guard or {}).get("listen"))
    if not listen or is_loopback(host_of(str(listen.get("address", "")))):
        return
    if not all(listen.get(key) for key in ("tls_certificate", "tls_key", "client_ca")):
        text = f"listens on {listen.get('address')} without mutual TLS"
        yield Broken(text, subject.guard_resource, key=("guard_port",))


RULES: Final[tuple[Rule, ...]] = (
    guard_missing,
    guard_unauthenticated,
    guard_audience,
    guard_fails_open,
    taint_ignored,
    taint_apart,
    write_for_all,
    guard_beyond_loopback,
)
