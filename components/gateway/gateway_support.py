"""What the gateway cannot do of its own checks, limits and cache of a model route: each an error at its key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from components.editions import Protection
from components.gateway.spec import name_of
from components.gateway.unsupported import lacking
from model.errors import InputError
from model.model_gateway import VectorSearch
from model.model_route import ModelKind
from model.stacks import ModelStack, manifest_path

#: The parts of `gateway` with what each is in the table of editions.
PARTS: Final[dict[str, Protection]] = {
    "limits": Protection.GATEWAY_TOKENS,
    "lakera": Protection.GATEWAY_LAKERA,
    "prisma_airs": Protection.GATEWAY_AIRS,
    "topics": Protection.PROMPT_TOPICS,
    "sanitizer": Protection.PROMPT_SANITIZER,
}
#: Parts that read chat completions: Kong's pages say of no other form that they read it. ai-lakera-guard's does.
_CHAT_ALONE: Final = ("prisma_airs", "topics", "sanitizer")
#: Providers of embeddings in the plugins' schema (3.15) that take a key in a header.
_EMBEDDING: Final = ("azure", "mistral", "openai")
#: Providers whose API has it (AI Proxy Advanced; the others know neither).
_PROVIDERS: Final[dict[ModelKind, tuple[str, ...]]] = {
    "responses": ("azure", "openai"),
    "embeddings": ("azure", "mistral", "openai"),
}
_AZURE: Final = frozenset({"azure_api_version", "azure_deployment_id", "azure_instance"})


def gateway_problems(stack: ModelStack) -> Iterator[InputError]:
    """What this environment's edition, or Kong in edition ai, cannot do of these."""
    gateway = stack.manifest.gateway
    for part, protection in PARTS.items():
        if getattr(gateway, part) is not None:
            yield from lacking(stack, protection, "gateway", part)
    if gateway.topics is not None:
        yield from _search(stack, gateway.topics, "gateway", "topics")
    if gateway.sanitizer is not None and re.search(r"^https?://[^/]+/.", gateway.sanitizer.url):
        yield _error(
            stack,
            "has a path, which ai-sanitizer cannot be told",
            "write scheme, host and port",
            "gateway",
            "sanitizer",
            "url",
        )
    yield from _cache(stack)
    yield from _kinds(stack)


def _cache(stack: ModelStack) -> Iterator[InputError]:
    cache = stack.manifest.cache.semantic
    if cache is None:
        return
    problems = list(lacking(stack, Protection.LLM_SEMANTIC_CACHE, "cache", "semantic"))
    yield from problems
    if not problems and not cache.shared:
        yield _error(
            stack,
            "ai-semantic-cache has nothing that keeps one principal's answers from another's",
            "use cache.exact, or write shared: true where answers hold nothing of a person's own",
            *("cache", "semantic", "shared"),
        )
    yield from _search(stack, cache, "cache", "semantic")


def _search(stack: ModelStack, search: VectorSearch, *key: str) -> Iterator[InputError]:
    if search.tls and not re.fullmatch(r"[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*", search.host):
        yield _error(
            stack,
            f"{search.host} is an address, so its certificate's name could not be checked",
            "give the name in its certificate",
            *key,
            "host",
        )
    if search.database is not None and search.store == "redis":
        yield _error(stack, "is for pgvector alone", "remove it", *key, "database")
    model = search.embeddings
    if model.provider not in _EMBEDDING:
        yield _error(
            stack,
            f"Kong asks {model.provider} for no vectors with a key in a header",
            f"name {', '.join(_EMBEDDING[:-1])} or {_EMBEDDING[-1]}",
            *key,
            *("embeddings", "provider"),
        )
    for option in sorted(model.options):
        if model.provider != "azure" or option not in _AZURE:
            yield _error(stack, "is no option of embeddings here", "remove it", *key, "embeddings", "options", option)
    if model.provider == "azure":
        for option in ("azure_deployment_id", "azure_instance"):
            if option not in model.options:
                yield _error(stack, f"azure needs {option}", "add it", *key, "embeddings", "options")


def _kinds(stack: ModelStack) -> Iterator[InputError]:
    """What is not said of each form of request: a policy that reads some prompts alone would look whole."""
    manifest = stack.manifest
    if name_of(Protection.MODEL_PROXY, stack.settings) == "ai-proxy":
        # It carries no other form, and says so.
        return
    readers = [("gateway", part) for part in _CHAT_ALONE if getattr(manifest.gateway, part) is not None]
    readers += [
        ("prompt_policy", name) for name in ("system", "deny", "allow") if getattr(manifest.prompt_policy, name)
    ]
    for name, model in sorted(manifest.models.items()):
        further = [kind for kind in model.kinds if kind != "chat"]
        for reader in readers if further else ():
            if reader[-1] == "system" and further == ["embeddings"]:
                # No conversation, before which it could stand.
                continue
            yield _error(
                stack,
                f"is enforced for chat completions alone, and {name} has {further[0]}",
                f"make {name} a model of a route of its own",
                *reader,
            )
        for kind in further:
            for index, target in enumerate(model.targets):
                if target.provider not in _PROVIDERS[kind]:
                    yield _error(
                        stack,
                        f"{target.provider} has no {kind} here",
                        f"name {' or '.join(_PROVIDERS[kind])}",
                        *("models", name, "targets", index, "provider"),
                    )
        if "embeddings" in further and len({target.model for target in model.targets}) > 1:
            yield _error(
                stack,
                "vectors of two models cannot be compared, and one would take over from the other",
                "make each a model of its own",
                *("models", name, "targets"),
            )
        if len(model.kinds) > 1:
            for index, target in enumerate(model.targets):
                if target.url is not None:
                    yield _error(
                        stack,
                        "is the full address of one kind of request",
                        "make each kind a model of its own",
                        *("models", name, "targets", index, "url"),
                    )


def _error(stack: ModelStack, problem: str, remedy: str, *key: str | int) -> InputError:
    return stack.document.error(manifest_path(stack, *key), problem, remedy)
