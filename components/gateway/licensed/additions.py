"""What Kong 3.15 adds to the configs of plugins that OSS 3.9 has too, and takes from them. Pure."""

from __future__ import annotations

import copy
from typing import Any, Final

Config = dict[str, Any]

#: Fields by plugin and record; a later version's default where that guards, else off. Source: Kong's schemas of 3.15 beside
#: those of 3.9.3.
_ADDED: Final[dict[str, dict[tuple[str, ...], Config]]] = {
    # WebSocket phases; the identity check refuses every Upgrade.
    "pre-function": {(): {"ws_client_frame": [], "ws_close": [], "ws_handshake": [], "ws_upstream_frame": []}},
    "acl": {(): {"include_consumer_groups": False}},
    "rate-limiting": {("redis",): {"cloud_authentication": None}},
    "response-ratelimiting": {("redis",): {"cloud_authentication": None}},
    # The guard decides by Origin; a request without one is no browser's.
    "cors": {(): {"allow_origin_absent": True}},
    "prometheus": {(): {"wasm_metrics": False}},
    "http-log": {(): {"client_certificate": None, "ssl_verify": True}},
    "opentelemetry": {
        (): {
            "access_logs": {"custom_attributes_by_lua": None, "endpoint": None},
            "metrics": {
                "enable_ai_metrics": False,
                "enable_bandwidth_metrics": False,
                "enable_consumer_attribute": False,
                "enable_latency_metrics": False,
                "enable_request_metrics": False,
                "enable_upstream_health_metrics": False,
                "endpoint": None,
                "push_interval": 60,
            },
            "sampling_strategy": "parent_drop_probability_fallback",
        }
    },
    "key-auth": {
        (): {
            "identity_realms": None,
            "principals": {"directory": "default", "enabled": False, "error_on_miss": True},
        }
    },
    "ai-prompt-guard": {(): {"genai_category": "text/generation"}},
    "ai-proxy": {
        (): {"genai_category": "text/generation"},
        ("auth",): {
            "azure_client_id": None,
            "azure_client_secret": None,
            "azure_tenant_id": None,
            "azure_use_managed_identity": False,
            "gcp_metadata_url": None,
            "gcp_oauth_token_url": None,
        },
        ("model",): {"model_alias": None},
        ("model", "options"): {
            "cache_read_cost": None,
            "cache_write_cost": None,
            "cache_write_cost_list": None,
            "cohere": None,
            "context_window_factor": None,
            "dashscope": None,
            "databricks": None,
            "embeddings_dimensions": None,
            "service_tier_factor": None,
        },
    },
}


def licensed_config(plugin: str, config: Config) -> Config:
    """`config`, written for OSS 3.9, as 3.15 takes it: added fields written, deprecated spellings of `redis` left out."""
    result = copy.deepcopy(config)
    if "redis" in result:
        result = {key: value for key, value in result.items() if not key.startswith("redis_")}
    for path, fields in _ADDED.get(plugin, {}).items():
        record = result
        for key in path:
            record = record[key]
        record |= copy.deepcopy(fields)
    return result
