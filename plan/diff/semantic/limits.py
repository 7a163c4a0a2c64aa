"""The table for limits, timeouts and the circuit breaker. It is applied in `keys`."""

from __future__ import annotations

from plan.diff.semantic.directions import (
    KeyRule,
    Table,
    appearing_tightens,
    less_loosens,
    longer_loosens,
    more_loosens,
)

RULES: Table = {
    "limits.requests_per_minute": KeyRule(more_loosens, "requests a minute per principal", "guard", 55),
    "limits.requests_per_hour": KeyRule(more_loosens, "requests an hour per principal", "guard", 55),
    "limits.tokens_per_minute": KeyRule(more_loosens, "tokens a minute of the whole server", "gateway", 55),
    "limits.principal_tokens_per_minute": KeyRule(more_loosens, "tokens a minute per principal", "guard", 55),
    "limits.body_kilobytes": KeyRule(more_loosens, "largest request in KiB", "guard", 50),
    "limits.concurrency": KeyRule(more_loosens, "calls in flight per principal", "guard", 50),
    "limits.tools.*": KeyRule(appearing_tightens, "limit of the tool {0}", "guard", 55),
    "limits.tools.*.requests_per_minute": KeyRule(more_loosens, "calls a minute of the tool {0}", "guard", 55),
    "limits.tools.*.tokens_per_minute": KeyRule(more_loosens, "tokens a minute of the tool {0}", "guard", 55),
    "timeouts.connect": KeyRule(longer_loosens, "time to connect", "gateway", 25),
    "timeouts.write": KeyRule(longer_loosens, "longest pause of a request", "gateway", 25),
    "timeouts.read": KeyRule(longer_loosens, "longest silence of an answer", "gateway", 25),
    "circuit_breaker.failures": KeyRule(more_loosens, "failures before the circuit breaker opens", "gateway", 45),
    "circuit_breaker.timeouts": KeyRule(more_loosens, "timeouts before the circuit breaker opens", "gateway", 45),
    "circuit_breaker.probe_every": KeyRule(longer_loosens, "time between health probes", "gateway", 35),
    "circuit_breaker.recover_after": KeyRule(less_loosens, "good probes before the circuit closes", "gateway", 35),
}
