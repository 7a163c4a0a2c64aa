"""ai-semantic-cache: answers of one model to whoever asks the same by meaning. Pure."""

from __future__ import annotations

from typing import Any

from components.gateway.licensed.vectors import vector_records
from model.base import seconds
from model.model_gateway import SemanticCache

#: The most that the plugin takes. Its default is the last message alone, by which "yes" in one conversation would be
#: answered with what followed "yes" in another.
_WHOLE_CONVERSATION = 1000


def semantic_cache(cache: SemanticCache) -> dict[str, Any]:
    """The whole config."""
    return {
        **vector_records(cache, cache.threshold),
        "cache_control": False,
        "cache_ttl": seconds(cache.lifetime),
        "exact_caching": False,
        "ignore_assistant_prompts": False,
        "ignore_system_prompts": False,
        "ignore_tool_prompts": False,
        "llm_format": "openai",
        "message_countback": _WHOLE_CONVERSATION,
        # A cache protects nothing: without its store the model is asked.
        "stop_on_failure": False,
    }
