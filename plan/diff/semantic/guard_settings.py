"""The table for the guard's settings: engines, deadline, what a finding leads to, taint and audit. `keys` applies it."""

from __future__ import annotations

from plan.diff.semantic.directions import (
    Rule,
    Table,
    any_change,
    appearing_tightens,
    false_loosens,
    ladder,
    longer_loosens,
    shorter_loosens,
)

_LEG = ladder("flag", "redact", "block")


def _engine(key: str, name: str) -> Table:
    return {
        f"guard.engines.{key}": Rule(appearing_tightens, f"engine {name}", "guard", 85),
        f"guard.engines.{key}.base_url": Rule(any_change, f"{name}: who processes the text", "guard", 75),
        f"guard.engines.{key}.api_key": Rule(any_change, f"{name}: where the host finds the key", "guard", 40),
        f"guard.engines.{key}.api_key.env": Rule(any_change, f"{name}: variable that holds the key", "guard", 40),
        f"guard.engines.{key}.api_key.file": Rule(any_change, f"{name}: file that holds the key", "guard", 40),
    }


RULES: Table = {
    "guard.engines.embedded": Rule(appearing_tightens, "engine embedded", "guard", 85),
    "guard.engines.embedded.enabled": Rule(false_loosens, "engine embedded is on", "guard", 85),
    **_engine("lakera", "Lakera"),
    "guard.engines.lakera.project_id": Rule(any_change, "Lakera: project whose policy decides", "guard", 70),
    **_engine("prisma_airs", "Prisma AIRS"),
    "guard.engines.prisma_airs.profile_name": Rule(any_change, "Prisma AIRS: profile that decides", "guard", 70),
    "guard.engines.prisma_airs.block_on": Rule(
        ladder("action", "category"), "Prisma AIRS: what counts as a block", "guard", 75
    ),
    "guard.deadline": Rule(longer_loosens, "time for all engines together", "guard", 35),
    "guard.legs.definitions": Rule(_LEG, "a finding in a definition leads to", "guard", 85),
    "guard.legs.arguments": Rule(_LEG, "a finding in arguments leads to", "guard", 80),
    "guard.legs.results": Rule(_LEG, "a finding in a result leads to", "guard", 85),
    "guard.legs.prompts": Rule(_LEG, "a finding in a prompt leads to", "guard", 80),
    "guard.legs.resources": Rule(_LEG, "a finding in a resource leads to", "guard", 80),
    "guard.legs.server_requests": Rule(_LEG, "a finding in a server's request leads to", "guard", 80),
    "guard.taint.window": Rule(shorter_loosens, "how long untrusted text counts", "guard", 65),
    "guard.taint.outbound_call": Rule(
        ladder("allow", "ask", "block"), "an outbound call after untrusted text meets", "guard", 85
    ),
    # Either way: on, personal data stands in the log; off, there is less to look at after an incident.
    "guard.audit_payloads": Rule(any_change, "redacted payloads in the audit log", "guard", 45),
    "guard.audit_anchor": Rule(appearing_tightens, "audit log's head sent off the host", "guard", 70),
    "guard.audit_anchor.url": Rule(any_change, "who receives the audit log's head", "guard", 65),
    "guard.audit_anchor.protocol": Rule(any_change, "protocol of the audit anchor", "guard", 40),
    "guard.audit_anchor.token": Rule(any_change, "token for the audit anchor", "guard", 40),
    "guard.audit_anchor.token.env": Rule(any_change, "variable that holds the anchor's token", "guard", 40),
    "guard.audit_anchor.token.file": Rule(any_change, "file that holds the anchor's token", "guard", 40),
    "guard.audit_anchor.every": Rule(longer_loosens, "time between two audit heads", "guard", 45),
    "guard.audit_anchor.records": Rule(any_change, "whole audit records sent off the host", "guard", 45),
    # Whoever can write to that Redis can reset counters: another machine is trusted, or limits stop holding together.
    "guard.redis": Rule(any_change, "who keeps the guard's counters", "guard", 50),
    "guard.redis.url": Rule(any_change, "who keeps the guard's counters", "guard", 50),
    "guard.redis.password": Rule(any_change, "password of the guard's Redis", "guard", 40),
    "guard.redis.password.env": Rule(any_change, "variable that holds Redis' password", "guard", 40),
    "guard.redis.password.file": Rule(any_change, "file that holds Redis' password", "guard", 40),
}
