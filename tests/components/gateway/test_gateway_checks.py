"""Kong's own limits, checks and cache of a model route in edition ai: whole, and closed where they fail."""

from __future__ import annotations

from typing import Any

import pytest

from components.gateway import inner_entities
from components.gateway.inner_plugins import inner_plugins
from components.gateway.model_support import support_problems
from components.gateway.names import kind_suffix
from components.guard.model_settings import build_model_guard_config
from model.model_route import ModelKind, ModelRoute
from model.stacks import ModelStack
from tests.support import kong_published_schema as published
from tests.support.kong_manifests import REDIS, environment
from tests.support.model_routes import route, route_stack

KEY = "{vault://env/openai-key}"
OPENAI = {"provider": "openai", "model": "gpt-4o-mini", "credential": KEY}
EMBEDDINGS = {"provider": "openai", "model": "text-embedding-3-small", "credential": KEY}
STORE = {"store": "redis", "host": "store.example.com", "password": "{vault://env/store}", "embeddings": EMBEDDINGS}
AZURE = {"provider": "azure", "model": "vectors", "options": {"azure_instance": "acme", "azure_deployment_id": "d1"}}
EVERYTHING: dict[str, Any] = {
    "limits": {"tokens_per_minute": 1000, "tokens_per_day": 50000, "cost_per_day": "2.50"},
    "lakera": {"api_key": "{vault://env/lakera}", "project_id": "project-1"},
    "prisma_airs": {"api_key": "{vault://env/airs}", "profile": "strict"},
    "topics": {**STORE, "store": "pgvector", "deny": ["what people earn"], "embeddings": AZURE},
    "sanitizer": {"url": "https://sanitizer.example.com", "anonymize": ["email", "phone"]},
}
PRICED = {"small": {"targets": [OPENAI], "price": {"input": "0.15", "output": "0.60"}}}


def subject(**changes: Any) -> ModelStack:
    settings = environment(gateway={"edition": "ai", "version": "3.15.0.4", "redis": REDIS})
    return route_stack(settings, route(**{"models": PRICED, **changes}))


def configs(stack: ModelStack, kind: ModelKind = "chat") -> dict[str, dict[str, Any]]:
    assert [str(problem) for problem in support_problems(stack)] == []
    specs = inner_plugins(stack, "small", kind)
    for spec in specs:
        assert published.plugin_problems(spec.name, spec.config) == [], spec.name
    return {spec.name: spec.config for spec in specs}


def refusals(stack: ModelStack) -> list[str]:
    return [str(problem).partition("config.ringwall:model.")[2] for problem in support_problems(stack)]


def test_every_check_refuses_what_it_cannot_judge() -> None:
    found = configs(subject(gateway=EVERYTHING))
    assert found["ai-lakera-guard"]["stop_on_error"] is True
    assert found["ai-lakera-guard"]["verify_ssl"] is True
    assert found["ai-lakera-guard"]["guarding_mode"] == "BOTH"
    assert found["ai-lakera-guard"]["log_blocked_content"] is False
    assert found["ai-custom-guardrail"]["stop_on_error"] is True
    assert found["ai-custom-guardrail"]["ssl_verify"] is True
    # Whatever is not the word allow, nothing among it.
    assert found["ai-custom-guardrail"]["response"]["block"] == '$(resp.action ~= "allow")'
    assert found["ai-custom-guardrail"]["request"]["auth"]["value"] == "{vault://env/airs}"
    assert found["ai-sanitizer"]["stop_on_error"] is True
    assert found["ai-sanitizer"]["sanitization_mode"] == "INPUT"
    assert found["ai-sanitizer"]["skip_logging_sanitized_items"] is True
    topics = found["ai-semantic-prompt-guard"]
    assert topics["rules"]["match_all_conversation_history"] is True
    assert topics["vectordb"]["pgvector"]["ssl_required"] is topics["vectordb"]["pgvector"]["ssl_verify"] is True
    assert topics["embeddings"]["model"]["options"]["azure"]["instance"] == "acme"


def test_a_principals_tokens_and_cost_are_counted_by_the_guards_header() -> None:
    found = configs(subject(gateway=EVERYTHING))
    config = found["ai-rate-limiting-advanced"]
    principal, further = config["policies"]
    assert principal["match"] == [
        {"type": "header", "key": "x-ringwall-principal", "partition_by": True, "values": None}
    ]
    # Whatever comes without a principal has a limit too.
    assert further["match"] is None
    assert further["limits"] == principal["limits"]
    assert [
        (limit["limit"], limit["window_size"], limit["tokens_count_strategy"]) for limit in principal["limits"]
    ] == [
        (1000, 60, "total_tokens"),
        (50000, 86400, "total_tokens"),
        (2.5, 86400, "cost"),
    ]
    assert config["decrease_by_fractions_in_redis"] is True
    assert (config["strategy"], config["sync_rate"]) == ("redis", 0)
    options = found["ai-proxy-advanced"]["targets"][0]["model"]["options"]
    assert (options["input_cost"], options["output_cost"]) == (0.15, 0.6)
    assert guard_header(subject(gateway=EVERYTHING).manifest) == "x-ringwall-principal"
    assert guard_header(route()) is None
    # The provider learns nothing of it: request-transformer (801) runs after the count (905).
    assert "x-ringwall-principal" in found["request-transformer"]["remove"]["headers"]


def guard_header(manifest: ModelRoute) -> str | None:
    stack = route_stack(manifest=manifest)
    return build_model_guard_config(stack, dict.fromkeys(manifest.hostnames, "a" * 64), {}).inner.principal_header


def test_a_cache_by_meaning_is_shared_by_name_and_reads_the_whole_conversation() -> None:
    cache = {"semantic": {**STORE, "shared": True}}
    config = configs(subject(cache=cache))["ai-semantic-cache"]
    assert config["message_countback"] == 1000
    assert config["vectordb"]["redis"]["host"] == "store.example.com"
    assert config["vectordb"]["redis"]["ssl"] is config["vectordb"]["redis"]["ssl_verify"] is True
    assert config["vectordb"]["threshold"] == 0.1
    assert refusals(subject(cache={"semantic": STORE})) == [
        "cache.semantic.shared: ai-semantic-cache has nothing that keeps one principal's answers from another's; use "
        "cache.exact, or write shared: true where answers hold nothing of a person's own"
    ]


@pytest.mark.parametrize("kind", ["responses", "embeddings"])
def test_each_kind_of_request_has_an_inner_route_of_its_own(kind: ModelKind) -> None:
    model = {"small": {"kinds": ["chat", kind], "targets": [OPENAI]}}
    stack = subject(models=model)
    config = configs(stack, kind)["ai-proxy-advanced"]
    assert [target["route_type"] for target in config["targets"]] == [f"llm/v1/{kind}"]
    assert config["genai_category"] == ("text/embeddings" if kind == "embeddings" else "text/generation")
    chat, further = (inner_entities.route_inputs(stack, "small", part) for part in ("chat", kind))
    assert further["name"] == chat["name"] + kind_suffix(kind)
    assert further["hosts"] == chat["hosts"]
    assert (chat["paths"], further["paths"]) == (["~/v1/chat/completions$"], [f"~/v1/{kind}$"])
    assert inner_entities.service_inputs(stack, "small", kind)["name"] == further["name"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "topics beside responses": (
        {
            "models": {"small": {"kinds": ["responses"], "targets": [OPENAI]}},
            "gateway": {"topics": {**STORE, "deny": ["x"]}},
        },
        "gateway.topics: is enforced for chat completions alone, and small has responses",
    ),
    "patterns beside embeddings": (
        {"models": {"small": {"kinds": ["embeddings"], "targets": [OPENAI]}}, "prompt_policy": {"deny": ["x"]}},
        "prompt_policy.deny: is enforced for chat completions alone, and small has embeddings",
    ),
    "responses of another provider": (
        {"models": {"small": {"kinds": ["responses"], "targets": [{"provider": "cohere", "model": "c"}]}}},
        "models.small.targets.0.provider: cohere has no responses here; name azure or openai",
    ),
    "vectors of two models": (
        {
            "models": {
                "small": {
                    "kinds": ["embeddings"],
                    "targets": [
                        OPENAI | {"model": "text-embedding-3-small"},
                        OPENAI | {"model": "text-embedding-3-large"},
                    ],
                }
            }
        },
        "models.small.targets: vectors of two models cannot be compared",
    ),
    "an address for two kinds": (
        {
            "models": {
                "small": {"kinds": ["chat", "embeddings"], "targets": [OPENAI | {"url": "https://m.example.com/v1/x"}]}
            }
        },
        "models.small.targets.0.url: is the full address of one kind of request",
    ),
    "an address of a store": (
        {"gateway": {"topics": {**STORE, "host": "192.0.2.1", "deny": ["x"]}}},
        "gateway.topics.host: 192.0.2.1 is an address",
    ),
    "vectors of another provider": (
        {"gateway": {"topics": {**STORE, "deny": ["x"], "embeddings": {"provider": "cohere", "model": "c"}}}},
        "gateway.topics.embeddings.provider: Kong asks cohere for no vectors",
    ),
    "a path of the sanitizer": (
        {"gateway": {"sanitizer": {"url": "https://s.example.com/llm"}}},
        "gateway.sanitizer.url: has a path, which ai-sanitizer cannot be told",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_kong_would_not_enforce_is_refused_at_its_key(case: str) -> None:
    changes, expected = REFUSED[case]
    (refusal,) = refusals(subject(**changes))
    assert refusal.startswith(expected)


@pytest.mark.parametrize("part", EVERYTHING)
@pytest.mark.parametrize("edition", ["oss", "enterprise"])
def test_other_editions_refuse_each_of_them_with_what_has_it(edition: str, part: str) -> None:
    settings = environment(gateway={"edition": edition, "version": "3.9.3" if edition == "oss" else "3.15.0.4"})
    (refusal,) = refusals(route_stack(settings, route(models=PRICED, gateway={part: EVERYTHING[part]})))
    assert refusal.startswith(f"gateway.{part}: Kong {edition} ")
    assert "use edition ai 3.15" in refusal
