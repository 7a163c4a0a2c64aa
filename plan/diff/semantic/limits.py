"""The table for limits, timeouts and the circuit breaker. It is applied in `keys`."""

from __future__ import annotations

from plan.diff.semantic.directions import (
    Rule,
    Table,
    appearing_tightens,
    less_loosens,
    longer_loosens,
    more_loosens,
)

RULES: Table = {
    "limits.requests_per_minute": Rule(more_loosens, "requests a minute per principal", "gateway", 55),
    "limits.requests_per_hour": Rule(more_loosens, "requests an hour per principal", "gateway", 55),
    "limits.tokens_per_minute": Rule(more_loosens, "tokens a minute of the whole server", "gateway", 55),
    "limits.principal_tokens_per_minute": Rule(more_loosens, "tokens a minute per principal", "guard", 55),
    "limits.body_kilobytes": Rule(more_loosens, "largest request in KiB", "gateway", 50),
    "limits.concurrency": Rule(more_loosens, "calls in flight per principal", "guard", 50),
    "limits.tools.*": Rule(appearing_tightens, "limit of the tool {0}", "guard", 55),
    "limits.tools.*.requests_per_minute": Rule(more_loosens, "calls a minute of the tool {0}", "guard", 55),
    "limits.tools.*.tokens_per_minute": Rule(more_loosens, "tokens a minute of the tool {0}", "guard", 55),
    "timeouts.connect": Rule(longer_loosens, "time to connect", "gateway", 25),
    "timeouts.write": Rule(longer_loosens, "longest pause of a request", "gateway", 25),
    "timeouts.read": Rule(longer_loosens, "longest silence of an answer", "gateway", 25),
    "circuit_breaker.failures": Rule(more_loosens, "failures before the circuit breaker opens", "gateway", 45),
    "circuit_breaker.timeouts": Rule(more_loosens, "timeouts before the circuit breaker opens", "gateway", 45),
    "circuit_breaker.probe_every": Rule(longer_loosens, "time between health probes", "gateway", 35),
    "circuit_breaker.recover_after": Rule(less_loosens, "good probes before the circuit closes", "gateway", 35),
}
