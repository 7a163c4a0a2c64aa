"""rate-limiting-advanced: requests of each principal in sliding windows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.gateway.licensed.redis import redis_record
from components.gateway.names import PRINCIPAL_HEADER
from model.environment import Redis


def rate_limit(windows: Mapping[int, int], namespace: str, redis: Redis | None) -> dict[str, Any]:
    """The whole config; `windows` is seconds to requests. The plugin has no `fault_tolerant`: what it does without
    its Redis was neither run nor found in Kong's pages. The guard counts each principal by itself."""
    return {
        "compound_identifier": None,
        "consumer_groups": None,
        "counter_key": None,
        "dictionary_name": "kong_rate_limiting_counters",
        # A refused request uses nothing up, as on OSS.
        "disable_penalty": True,
        "enforce_consumer_groups": False,
        "error_code": 429,
        "error_message": "API rate limit exceeded",
        "header_name": PRINCIPAL_HEADER,
        "hide_client_headers": False,
        "identifier": "header",
        "limit": [windows[seconds] for seconds in sorted(windows)],
        "lock_dictionary_name": "kong_locks",
        # Unset, Kong makes up a random one, and every deployment would differ.
        "namespace": namespace,
        "path": None,
        "redis": {**redis_record(redis), "redis_proxy_type": None},
        "retry_after_jitter_max": 0,
        "strategy": "redis" if redis else "local",
        # Each request is counted where all nodes see it; a local strategy takes no rate.
        "sync_rate": 0 if redis else None,
        "throttling": {"enabled": False, "interval": 5, "queue_limit": 5, "retry_times": 3},
        "window_size": sorted(windows),
        "window_type": "sliding",
    }
