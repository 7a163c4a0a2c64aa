"""ai-proxy-advanced: several targets of one model, whoever their providers are, with an order and a breaker. Pure.

A request that was sent may be sent once more, to the next target: that is what failover between providers is. Whoever
fails has rarely counted it; the guard charges the usage of the answer that came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.gateway.licensed.additions import licensed_config
from model.base import seconds
from model.defaults import CircuitBreaker, Timeouts

#: After what the next target is asked. Refusals that a caller can provoke (400, 401, 403, 404) are not among them.
FAILOVER: Final = (
    "error",
    "http_429",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "invalid_header",
    # Every prompt is a POST, and nginx sends none twice without it.
    "non_idempotent",
    "timeout",
)
#: Weight of the first order; each later one is tried when all before it are out (Kong docs, "Load balancing: priority").
_FIRST: Final = 1000


def proxy_advanced(
    proxies: Sequence[Mapping[str, Any]],
    orders: Sequence[int],
    weights: Sequence[int],
    *,
    aliases: Sequence[str],
    timeouts: Timeouts,
    breaker: CircuitBreaker,
    category: str,
) -> dict[str, Any]:
    """The whole config; `proxies` is the ai-proxy config of each target, `aliases` the name by which each is asked for."""
    ordered = len(set(orders)) > 1
    first = licensed_config("ai-proxy", dict(proxies[0]))
    return {
        "acls": {"allow": None, "deny": None},
        "balancer": {
            "algorithm": "priority" if ordered else "round-robin",
            "connect_timeout": seconds(timeouts.connect) * 1000,
            "fail_timeout": seconds(breaker.probe_every) * 1000,
            "failover_criteria": list(FAILOVER),
            "hash_on_header": "X-Kong-LLM-Request-ID",
            "latency_strategy": "tpot",
            # 0 would be off.
            "max_fails": breaker.failures,
            "read_timeout": seconds(timeouts.read) * 1000,
            "retries": max(map(aliases.count, aliases)) - 1,
            "slots": 10000,
            "tokens_count_strategy": "total-tokens",
            "write_timeout": seconds(timeouts.write) * 1000,
        },
        "embeddings": None,
        "genai_category": category,
        "llm_format": first["llm_format"],
        "max_request_body_size": first["max_request_body_size"],
        "model_name_header": first["model_name_header"],
        "response_streaming": first["response_streaming"],
        "targets": [
            _target(proxy, _FIRST - order if ordered else weight, alias)
            for proxy, order, weight, alias in zip(proxies, orders, weights, aliases, strict=True)
        ],
        "vectordb": None,
    }


def _target(proxy: Mapping[str, Any], weight: int, alias: str) -> dict[str, Any]:
    config = licensed_config("ai-proxy", dict(proxy))
    return {
        "auth": config["auth"],
        "description": None,
        "logging": config["logging"],
        "metadata": None,
        # One name is asked for, whichever target answers.
        "model": {**config["model"], "model_alias": alias},
        "route_type": config["route_type"],
        "weight": weight,
    }
