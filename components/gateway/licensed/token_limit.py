"""ai-rate-limiting-advanced: tokens and cost of each principal, in sliding windows. Pure."""

from __future__ import annotations

from typing import Any, Final

from components.gateway.licensed.redis import redis_record
from components.gateway.names import PRINCIPAL_HEADER
from model.environment import Redis
from model.model_gateway import GatewayLimits
from model.model_route import ModelBudget

_WINDOWS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_COUNTED: Final = {"tokens": "total_tokens", "cost": "cost"}


def token_limit(limits: GatewayLimits | ModelBudget, namespace: str, redis: Redis | None) -> dict[str, Any]:
    """The whole config for one route; the guard, or where there is none the identity check, names the principal in a
    header there."""
    windows = [
        {
            "limit": int(value) if unit == "tokens" else float(value),
            "window_size": seconds,
            "tokens_count_strategy": strategy,
        }
        for unit, strategy in _COUNTED.items()
        for period, seconds in _WINDOWS.items()
        if (value := getattr(limits, f"{unit}_per_{period}", None)) is not None
    ]
    principal = {"type": "header", "key": PRINCIPAL_HEADER, "partition_by": True, "values": None}
    return {
        "custom_cost_count_function": None,
        # Whole numbers alone would make every answer cheaper than 1 cost nothing.
        "decrease_by_fractions_in_redis": True,
        "dictionary_name": "kong_rate_limiting_counters",
        "disable_penalty": False,
        "error_code": 429,
        # Callers know models by their public names.
        "error_hide_providers": True,
        "error_message": "AI token rate limit exceeded for provider(s): ",
        "header_name": None,
        "hide_client_headers": True,
        "identifier": "consumer",
        "llm_format": "openai",
        "llm_providers": None,
        "namespace": namespace,
        "path": None,
        # The second has no condition: requests without a principal, of which none comes this far, share one count.
        "policies": [
            {"id": None, "match": match, "limits": windows, "window_type": "sliding"} for match in ([principal], None)
        ],
        "redis": redis_record(redis),
        "request_prompt_count_function": None,
        "retry_after_jitter_max": 0,
        "strategy": "redis" if redis else "local",
        "sync_rate": 0 if redis else None,
        "tokens_count_strategy": "total_tokens",
        "window_type": "sliding",
    }
