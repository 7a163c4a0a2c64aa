"""The table for the guard's settings: engines, deadline, what a finding leads to, taint and audit. `keys` applies it."""

from __future__ import annotations

from plan.diff.semantic.directions import (
    KeyRule,
    Table,
    any_change,
    appearing_tightens,
    false_loosens,
    grows_loosens,
    ladder,
    less_loosens,
    longer_loosens,
    shorter_loosens,
)

_LEG = ladder("flag", "redact", "block")


def _engine(key: str, name: str, address: str = "base_url", secret: str = "api_key") -> Table:  # noqa: S107 - a key's name
    held = secret.removeprefix("api_")
    prefix = f"guard.engines.{key}"
    return {
        prefix: KeyRule(appearing_tightens, f"engine {name}", "guard", 85),
        f"{prefix}.{address}": KeyRule(any_change, f"{name}: who processes the text", "guard", 75),
        f"{prefix}.{secret}": KeyRule(any_change, f"{name}: where the host finds the {held}", "guard", 40),
        f"{prefix}.{secret}.env": KeyRule(any_change, f"{name}: variable that holds the {held}", "guard", 40),
        f"{prefix}.{secret}.file": KeyRule(any_change, f"{name}: file that holds the {held}", "guard", 40),
    }


RULES: Table = {
    "guard.engines.embedded": KeyRule(appearing_tightens, "engine embedded", "guard", 85),
    "guard.engines.embedded.enabled": KeyRule(false_loosens, "engine embedded is on", "guard", 85),
    **_engine("lakera", "Lakera"),
    "guard.engines.lakera.project_id": KeyRule(any_change, "Lakera: project whose policy decides", "guard", 70),
    **_engine("prisma_airs", "Prisma AIRS"),
    "guard.engines.prisma_airs.profile_name": KeyRule(any_change, "Prisma AIRS: profile that decides", "guard", 70),
    "guard.engines.prisma_airs.block_on": KeyRule(
        ladder("action", "category"), "Prisma AIRS: what counts as a block", "guard", 75
    ),
    **_engine("bedrock", "Bedrock Guardrails"),
    "guard.engines.bedrock.guardrail": KeyRule(any_change, "Bedrock Guardrails: guardrail that decides", "guard", 70),
    "guard.engines.bedrock.guardrail_version": KeyRule(any_change, "Bedrock Guardrails: its version", "guard", 70),
    "guard.engines.bedrock.block_on": KeyRule(
        ladder("action", "detection"), "Bedrock Guardrails: what counts as a block", "guard", 75
    ),
    **_engine("model_armor", "Model Armor", secret="token"),  # noqa: S106 - a key's name
    "guard.engines.model_armor.template": KeyRule(any_change, "Model Armor: template that decides", "guard", 70),
    **_engine("azure_content_safety", "Azure AI Content Safety"),
    **_engine("http", "HTTP engine", "url", "token"),
    "guard.engines.http.ca_file": KeyRule(any_change, "HTTP engine: who vouches for its TLS", "guard", 70),
    "guard.engines.http.piece": KeyRule(any_change, "HTTP engine: characters in one request", "guard", 30),
    "guard.engines.model": KeyRule(appearing_tightens, "engine model, which flags", "guard", 60),
    "guard.engines.model.sensitivity": KeyRule(
        ladder("low", "medium", "high"), "engine model: how easily it flags", "guard", 55
    ),
    "guard.engines.model.characters": KeyRule(less_loosens, "engine model: characters that it reads", "guard", 40),
    "guard.deadline": KeyRule(longer_loosens, "time for all engines together", "guard", 35),
    "guard.legs.definitions": KeyRule(_LEG, "a finding in a definition leads to", "guard", 85),
    "guard.legs.arguments": KeyRule(_LEG, "a finding in arguments leads to", "guard", 80),
    "guard.legs.results": KeyRule(_LEG, "a finding in a result leads to", "guard", 85),
    "guard.legs.prompts": KeyRule(_LEG, "a finding in a prompt leads to", "guard", 80),
    "guard.legs.resources": KeyRule(_LEG, "a finding in a resource leads to", "guard", 80),
    "guard.legs.server_requests": KeyRule(_LEG, "a finding in a server's request leads to", "guard", 80),
    "guard.taint.window": KeyRule(shorter_loosens, "how long untrusted text counts", "guard", 65),
    "guard.taint.outbound_call": KeyRule(
        ladder("allow", "ask", "block"), "an outbound call after untrusted text meets", "guard", 85
    ),
    "guard.questions.include_context": KeyRule(
        ladder("allServers", "thisServer", "none"), "conversation that sampling may ask for", "guard", 75
    ),
    "guard.questions.url_hosts": KeyRule(grows_loosens, "hosts that elicitation may send people to", "guard", 75),
    # Either way: on, personal data stands in the log; off, there is less to look at after an incident.
    "guard.audit_payloads": KeyRule(any_change, "redacted payloads in the audit log", "guard", 45),
    "guard.audit_anchor": KeyRule(appearing_tightens, "audit log's head sent off the host", "guard", 70),
    "guard.audit_anchor.url": KeyRule(any_change, "who receives the audit log's head", "guard", 65),
    "guard.audit_anchor.protocol": KeyRule(any_change, "protocol of the audit anchor", "guard", 40),
    "guard.audit_anchor.token": KeyRule(any_change, "token for the audit anchor", "guard", 40),
    "guard.audit_anchor.token.env": KeyRule(any_change, "variable that holds the anchor's token", "guard", 40),
    "guard.audit_anchor.token.file": KeyRule(any_change, "file that holds the anchor's token", "guard", 40),
    "guard.audit_anchor.every": KeyRule(longer_loosens, "time between two audit heads", "guard", 45),
    "guard.audit_anchor.records": KeyRule(any_change, "whole audit records sent off the host", "guard", 45),
    "guard.traces": KeyRule(any_change, "spans of calls sent off the host", "guard", 45),
    "guard.traces.endpoint": KeyRule(any_change, "who receives the spans of calls", "guard", 60),
    "guard.traces.headers.*": KeyRule(any_change, "header {0} for the collector of traces", "guard", 40),
    "guard.traces.headers.*.env": KeyRule(any_change, "where header {0} comes from", "guard", 40),
    "guard.traces.headers.*.file": KeyRule(any_change, "where header {0} comes from", "guard", 40),
    "guard.traces.headers.*.scheme": KeyRule(any_change, "scheme of header {0}", "guard", 30),
    "guard.traces.sampling_percent": KeyRule(any_change, "percent of the calls that are traced", "guard", 25),
    "guard.traces.parent": KeyRule(any_change, "whose trace a call's span joins", "guard", 35),
    # Whoever can write to that Redis can reset counters: another machine is trusted, or limits stop holding together.
    "guard.redis": KeyRule(any_change, "who keeps the guard's counters", "guard", 50),
    "guard.redis.url": KeyRule(any_change, "who keeps the guard's counters", "guard", 50),
    "guard.redis.password": KeyRule(any_change, "password of the guard's Redis", "guard", 40),
    "guard.redis.password.env": KeyRule(any_change, "variable that holds Redis' password", "guard", 40),
    "guard.redis.password.file": KeyRule(any_change, "file that holds Redis' password", "guard", 40),
}
