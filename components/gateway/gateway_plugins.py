"""Plugins of an inner route that edition ai alone has: limits, checks and a cache of Kong's own, where a file asks. Pure."""

from __future__ import annotations

from components.editions import Protection
from components.gateway.flood import refused_kilobytes
from components.gateway.licensed import checks
from components.gateway.licensed.semantic_cache import semantic_cache
from components.gateway.licensed.token_limit import token_limit
from components.gateway.names import inner_name
from components.gateway.spec import Config, PluginSpec, plugin
from model.model_route import ModelKind
from model.stacks import ModelStack


def gateway_plugins(stack: ModelStack, model: str, kind: ModelKind) -> list[PluginSpec]:
    """Every one of them for one kind of request to a model; raises InputError where the edition has none."""
    gateway, cache, settings = stack.manifest.gateway, stack.manifest.cache.semantic, stack.settings
    parts: list[tuple[Protection, str, Config, str]] = []
    if gateway.limits is not None:
        config = token_limit(gateway.limits, inner_name(stack, model, kind), settings.gateway.redis)
        purpose = "tokens and cost of each principal, counted once more beside the guard"
        parts.append((Protection.GATEWAY_TOKENS, "token-limit", config, purpose))
    if gateway.prisma_airs is not None:
        config = checks.airs(gateway.prisma_airs)
        parts.append((Protection.GATEWAY_AIRS, "airs", config, "Prisma AIRS reads it; no verdict is a refusal"))
    if gateway.lakera is not None:
        config = checks.lakera(gateway.lakera)
        parts.append((Protection.GATEWAY_LAKERA, "lakera", config, "Lakera Guard reads it; no verdict is a refusal"))
    if gateway.sanitizer is not None:
        config = checks.sanitizer(gateway.sanitizer)
        parts.append((Protection.PROMPT_SANITIZER, "sanitizer", config, "personal data stays from the provider"))
    if gateway.topics is not None:
        config = checks.topics(gateway.topics, body_size(stack))
        parts.append((Protection.PROMPT_TOPICS, "topics", config, "prompts are held to topics by meaning"))
    # The plugin keeps answers to chats alone.
    if cache is not None and kind == "chat":
        config = semantic_cache(cache)
        parts.append((Protection.LLM_SEMANTIC_CACHE, "semantic-cache", config, "the same question is not paid twice"))
    return [plugin(protection, settings, suffix, config, purpose) for protection, suffix, config, purpose in parts]


def body_size(stack: ModelStack) -> int:
    """In bytes: what the public route lets on, these plugins must not refuse. Their default is 8192."""
    return refused_kilobytes(stack) * 1024
