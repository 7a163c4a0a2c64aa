"""A model route without a guard: Kong's own plugins before the providers, and what nobody does refused at its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.gateway.guardless_lua import MEMBERS
from components.gateway.guardless_plugins import guardless_plugins, route_inputs, service_inputs
from components.gateway.model_support import support_problems
from components.gateway.plugins import identity_plugin, require_protection, server_plugins
from guard.models.requests import FORMATS
from model.model_route import ModelRoute
from model.stacks import ModelStack
from tests.support import issued_tokens
from tests.support import kong_published_schema as published
from tests.support.kong_lua_runtime import Kong, Outcome, jwt
from tests.support.kong_manifests import CORS, REDIS, environment
from tests.support.model_routes import guardless_route, route_stack

AUDIENCE, CLOCK = "a" * 64, 1_800_000_000
SMALL, LARGE = "small", "large"
AIRS = {"api_key": "{vault://env/airs-key}", "profile": "strict"}
LAKERA = {"api_key": "{vault://env/lakera-key}"}
OPENAI = {"provider": "openai", "model": "gpt-4o", "credential": "{vault://env/openai-key}"}
ANTHROPIC = {
    "provider": "anthropic",
    "model": "claude-haiku-4-5",
    "credential": "{vault://env/anthropic-key}",
    "credential_header": "x-api-key",
    "options": {"anthropic_version": "2023-06-01"},
}
EMBEDDINGS = {"provider": "openai", "model": "text-embedding-3-small", "credential": "{vault://env/openai-key}"}
STORE = {"store": "redis", "host": "store.example.com", "embeddings": EMBEDDINGS}
GUARDED: dict[str, Any] = {"guard": {}, "guard_port": 9040, "guard_key": {"file": "/etc/ringwall/dev.models/guard-key"}}


def subject(edition: str = "ai", topology: str = "colocated", **changes: Any) -> ModelStack:
    version = {"oss": "3.9.3"}.get(edition, "3.15.0.4")
    settings = environment(gateway={"edition": edition, "version": version, "redis": REDIS})
    return route_stack(settings.model_copy(update={"topology": topology}), guardless_route(**changes))


def configs(stack: ModelStack) -> dict[str, dict[str, Any]]:
    assert [str(problem) for problem in support_problems(stack)] == []
    specs = [identity_plugin(stack, {"models.example.com": AUDIENCE}), *server_plugins(stack)]
    require_protection(stack, specs)
    return {spec.name: spec.config for spec in specs}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gateway": {"prisma_airs": AIRS}},
        {"cors": CORS},
        # Providers with two names for an answer's bound: no guard sets one.
        {
            "models": {SMALL: {"targets": [{**OPENAI, "order": 2}, ANTHROPIC]}},
            "grants": [{"to": {"all": True}, "models": [SMALL]}],
            "limits": {"principal": {"requests_per_minute": 30, "tokens_per_day": 9000}, "all": {}},
        },
        {"lockdown": {"since": "2026-11-01T00:00:00Z", "reason": "a test"}},
        {
            "models": {SMALL: {"targets": [OPENAI, {**OPENAI, "model": "gpt-4o-mini", "order": 2}]}},
            "limits": {"principal": {"requests_per_minute": 30, "tokens_per_day": 9000}, "all": {}},
            "grants": [{"to": {"all": True}, "models": [SMALL]}],
            "cache": {"semantic": {**STORE, "shared": True}},
            "gateway": {
                "lakera": LAKERA,
                "topics": {**STORE, "deny": ["salaries"]},
                "sanitizer": {"url": "http://127.0.0.1:8090", "anonymize": ["email"]},
            },
        },
    ],
)
def test_every_plugin_is_whole_and_one_that_the_published_schema_takes(changes: dict[str, Any]) -> None:
    for name, config in configs(subject(**changes)).items():
        assert published.plugin_problems(name, config) == [], name


def test_kong_refuses_at_the_files_own_numbers_as_no_guard_refuses_before_it() -> None:
    found = configs(subject())
    assert found["request-size-limiting"]["allowed_payload_size"] == 1024
    assert (found["rate-limiting-advanced"]["limit"], found["rate-limiting-advanced"]["window_size"]) == ([30], [60])
    assert found["ai-proxy-advanced"]["max_request_body_size"] == 1024 * 1024
    assert "response-ratelimiting" not in found


def test_each_principals_tokens_and_cost_are_counted_over_all_models() -> None:
    found = configs(subject())
    named, further = found["ai-rate-limiting-advanced"]["policies"]
    (condition,) = named["match"]
    assert (condition["type"], condition["key"], condition["partition_by"]) == ("header", "x-ringwall-principal", True)
    assert further["match"] is None
    counted = [(one["tokens_count_strategy"], one["limit"], one["window_size"]) for one in named["limits"]]
    assert counted == [("total_tokens", 20000, 60), ("cost", 5.0, 86400)]
    targets = found["ai-proxy-advanced"]["targets"]
    costs = [(one["model"]["options"]["input_cost"], one["model"]["options"]["output_cost"]) for one in targets]
    assert costs == [(3.0, 15.0), (0.15, 0.6)]


def test_models_stand_under_their_public_names_and_one_that_nobody_is_granted_has_no_target() -> None:
    proxy = configs(subject())["ai-proxy-advanced"]
    names = [(one["model"]["model_alias"], one["model"]["provider"], one["model"]["name"]) for one in proxy["targets"]]
    assert names == [(LARGE, "anthropic", "claude-sonnet-4-5"), (SMALL, "openai", "gpt-4o-mini")]
    assert proxy["balancer"]["retries"] == 0
    assert all(one["auth"]["allow_override"] is False for one in proxy["targets"])
    assert all(one["logging"]["log_payloads"] is False for one in proxy["targets"])


def test_nothing_of_the_caller_goes_on_to_the_provider() -> None:
    removed = configs(subject())["request-transformer"]["remove"]["headers"]
    assert {"authorization", "cookie", "cf-access-jwt-assertion", "x-ringwall-principal", "x-consumer-id"} <= {*removed}


@pytest.mark.parametrize(
    ("gateway", "streaming"),
    [
        ({"lakera": LAKERA}, "allow"),
        ({"lakera": LAKERA, "prisma_airs": {**AIRS, "legs": ["prompts"]}}, "allow"),
        ({"prisma_airs": AIRS}, "deny"),
        ({"lakera": LAKERA, "prisma_airs": AIRS}, "deny"),
        ({"lakera": LAKERA, "sanitizer": {"url": "http://127.0.0.1:8090", "legs": ["prompts", "answers"]}}, "deny"),
    ],
)
def test_an_answer_streams_only_where_each_check_of_answers_reads_streams(
    gateway: dict[str, Any], streaming: str
) -> None:
    assert configs(subject(gateway=gateway))["ai-proxy-advanced"]["response_streaming"] == streaming


def test_the_service_verifies_the_provider_and_the_route_takes_one_path() -> None:
    stack = subject()
    service, route = service_inputs(stack), route_inputs(stack)
    assert (service["protocol"], service["host"], service["tls_verify"]) == ("https", "api.anthropic.com", True)
    assert service["retries"] == 0
    assert (route["methods"], route["paths"]) == (["POST"], [r"~/v1/chat/completions$"])
    assert (route["name"], service["name"]) == ("dev-models-mcp", "dev-models-models")


PROBLEMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no check at all": ({"gateway": {}}, "gateway", "nothing would inspect prompts"),
    "nothing reads answers": ({"gateway": {"lakera": {**LAKERA, "legs": ["prompts"]}}}, "gateway", "inspect answers"),
    "a grant by address": (
        {"grants": [{"to": {"emails": ["ann@example.com"]}, "models": [SMALL]}]},
        "grants.0.to",
        "cannot tell apart whom Access admits",
    ),
    "a grant's budget": (
        {"grants": [{"to": {"all": True}, "models": [SMALL], "budget": {"tokens_per_day": 5}}]},
        "grants.0.budget",
        "nobody counts a grant's budget",
    ),
    "nothing granted": ({"grants": []}, "grants", "nobody may use any model"),
    "no end of use": ({"limits": {"principal": {"requests_per_minute": 5}, "all": {}}}, "limits.principal", "nothing"),
    "a budget of all": (
        {"limits": {"principal": {"requests_per_minute": 5, "tokens_per_day": 9}, "all": {"tokens_per_day": 9}}},
        "limits.all",
        "nobody counts all callers together",
    ),
    "requests in flight": (
        {"limits": {"principal": {"requests_per_minute": 5, "tokens_per_day": 9}, "all": {}, "concurrency": 2}},
        "limits.concurrency",
        "nobody counts requests in flight",
    ),
    "limits beside a guard": (
        {"gateway": {"lakera": LAKERA, "limits": {"tokens_per_day": 9}}},
        "gateway.limits",
        "limits.principal is what Kong counts",
    ),
    "answers that a guard keeps": ({"cache": {"exact": {}}}, "cache.exact", "the guard keeps it"),
    "sign-in elsewhere": (
        {"oauth": {"mode": "external", "issuer": "keycloak", "audience": "https://models.example.com/v1"}},
        "oauth.mode",
        "nobody would verify the Access token a second time",
    ),
    "responses": (
        {"models": {SMALL: {"kinds": ["responses"], "targets": [OPENAI]}}},
        "models.small.kinds",
        "chat completions are carried alone",
    ),
    "a bound of answers": (
        {"models": {SMALL: {"max_output_tokens": 10, "targets": [OPENAI]}}},
        "models.small.max_output_tokens",
        "a request's own bound would count",
    ),
    "several targets of several models": (
        {"models": {SMALL: {"targets": [OPENAI, {**OPENAI, "model": "b"}]}, LARGE: {"targets": [OPENAI]}}},
        "models.small.targets",
        "failover keeps to one",
    ),
    "a cache of several models": (
        {"cache": {"semantic": {**STORE, "shared": True}}},
        "cache.semantic",
        "for the same model alone",
    ),
}
UNPRICED = {"limits": {"principal": {"requests_per_minute": 5, "tokens_per_day": 9}, "all": {}}}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_nobody_would_do_is_refused_at_the_key_that_asks_for_it(case: str) -> None:
    changes, key, problem = PROBLEMS[case]
    found = [str(error) for error in support_problems(subject(**{**UNPRICED, **changes}))]
    matching = [line for line in found if f"config.ringwall:model.{key}: " in line and problem in line]
    assert len(matching) == 1, found
    assert ";" in matching[0], "names no remedy"


@pytest.mark.parametrize("edition", ["oss", "enterprise"])
def test_another_edition_is_told_which_one_has_it_and_nothing_more(edition: str) -> None:
    (problem,) = support_problems(subject(edition))
    assert problem.remedy == "use edition ai 3.15, or take guard: none out"
    assert f"Kong {edition}" in problem.problem


def test_a_host_without_a_gateway_has_nothing_to_run_for_it() -> None:
    assert any("topology central" in str(problem) for problem in support_problems(subject(topology="central")))


# What Kong makes of a request


def asked(stack: ModelStack, body: Any, *, method: str = "POST", **headers: str) -> Outcome:
    """One request of a person, as the identity check and what stands behind it see it."""
    claims = issued_tokens.PERSON.claims(
        stack.settings.cloudflare.issuer, AUDIENCE, CLOCK, sub="7335d417", email="ann@example.com"
    )
    text = body if isinstance(body, str) else json.dumps(body)
    lua = identity_plugin(stack, {"models.example.com": AUDIENCE}).config["access"][0]
    sent = {
        "cf-access-jwt-assertion": jwt(claims),
        "content-type": "application/json",
        "content-length": str(len(text)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Kong(headers=sent, method=method, host="models.example.com", body=text).run(lua)


def chat(**members: Any) -> dict[str, Any]:
    return {"model": SMALL, "messages": [{"role": "user", "content": "Hello"}], **members}


@pytest.mark.parametrize(
    "body",
    [
        chat(),
        chat(model=LARGE, stream=True, stream_options={"include_usage": True}, temperature=0),
        chat(store=False, modalities=["text"], tools=[{"type": "function", "function": {"name": "look"}}]),
        chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]),
        chat(messages=[{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "x"}]),
        chat(metadata=None, tools=None, modalities=None, user="u"),
    ],
)
def test_a_chat_of_texts_with_a_granted_model_goes_on(body: dict[str, Any]) -> None:
    assert asked(subject(), body).principal == "person:7335d417"


REFUSED: dict[str, tuple[Any, int]] = {
    "a model that nobody is granted": (chat(model="unused"), 404),
    "a provider's own name": (chat(model="gpt-4o-mini"), 404),
    "no model": ({"messages": []}, 404),
    "a model that is no text": (chat(model=["small"]), 404),
    "no object": ("[1", 400),
    "a list": ([chat()], 404),
    "no messages": ({"model": SMALL}, 400),
    "a message that is no object": (chat(messages=["hello"]), 400),
    "an image": (chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]), 400),
    "a text that is none": (chat(messages=[{"role": "user", "content": [{"type": "text", "text": {}}]}]), 400),
    "content that is an object": (chat(messages=[{"role": "user", "content": {"type": "text"}}]), 400),
    "earlier sound": (chat(messages=[{"role": "assistant", "audio": {"id": "a"}}]), 400),
    "a search by the provider": (chat(web_search_options={}), 400),
    "a tool that the provider runs": (chat(tools=[{"type": "web_search"}]), 400),
    "sound in the answer": (chat(modalities=["text", "audio"]), 400),
    "a kept answer": (chat(store=True), 400),
    "an unknown member": (chat(top_k=5), 400),
    "too many bytes": (chat(user="x" * 1024 * 1024), 413),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_check_reads_and_what_lets_a_provider_act_is_refused(case: str) -> None:
    body, status = REFUSED[case]
    assert asked(subject(), body).status == status


def test_a_members_name_is_shown_only_where_it_is_plain() -> None:
    assert asked(subject(), chat(top_k=5)).message == "the member top_k is not accepted"
    assert asked(subject(), chat(**{"a\nb": 5})).message == "the member of the body is not accepted"


def test_a_page_of_somebody_else_a_form_and_another_method_are_refused() -> None:
    stack = subject(cors={"origins": ["https://app.example.com"]})
    assert asked(stack, chat(), origin="https://app.example.com").principal == "person:7335d417"
    assert asked(stack, chat(), origin="https://evil.example").status == 403
    assert asked(subject(), chat(), origin="https://app.example.com").status == 403
    assert asked(subject(), chat(), content_type="text/plain").status == 415
    assert asked(subject(), chat(), content_type="application/json; charset=utf-8").status is None
    assert asked(subject(), "", method="GET").status == 405


def test_a_caller_whose_token_is_for_somebody_else_is_refused_before_the_body_is_read() -> None:
    assert asked(subject(), chat(model="unused"), cf_access_jwt_assertion="x.y.z").status == 401


def test_a_closed_route_asks_no_service_about_a_prompt() -> None:
    closed = subject(lockdown={"since": "2026-11-01T00:00:00Z", "reason": "a test"})
    outcome = asked(closed, chat())
    assert (outcome.status, outcome.message) == (503, "This server is closed.")


def test_no_member_passes_that_a_guard_would_refuse() -> None:
    known = FORMATS["chat"]
    assert {name for name in MEMBERS if not known.knows(name)} == set()
    assert {"web_search_options", "audio", "prediction"}.isdisjoint(MEMBERS)


def test_a_guard_has_its_own_plugins_again() -> None:
    names = {spec.name for spec in guardless_plugins(subject())}
    guarded = subject(**GUARDED, limits={"all": {"tokens_per_minute": 9}})
    assert isinstance(guarded.manifest, ModelRoute)
    assert "ai-proxy-advanced" in names
    assert "ai-proxy-advanced" not in {spec.name for spec in server_plugins(guarded)}
