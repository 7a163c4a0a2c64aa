"""The inner routes: valid for Kong as they are written, closed to all but the guard, and refused where Kong cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.gateway import inner_entities
from components.gateway.entities import endpoint_paths, route_inputs
from components.gateway.inner import InnerGatewayArgs, InnerGatewayRing, resource_label
from components.gateway.inner_plugins import inner_plugins
from components.gateway.model_support import prompt_parts, support_problems
from components.gateway.names import inner_host
from components.gateway.plugins import identity_plugin, require_protection, server_plugins
from model.errors import InputErrors
from model.model_route import ModelRoute
from plan.graph import Graph
from plan.recorder import record
from tests.support import kong_schema
from tests.support.kong_manifests import ALL_SINKS, CORS, REDIS, environment
from tests.support.model_routes import route, route_stack, whole_route

KEY = "k" * 43 + "="
OPENAI = {"provider": "openai", "model": "gpt-4o-mini", "credential": "{vault://env/openai-key}"}


def of_target(**changes: Any) -> ModelRoute:
    return route(models={"small": {"targets": [OPENAI | changes]}})


CASES = {
    "every part": whole_route(),
    "a long system message": route(prompt_policy={"system": "x" * 1700, "allow": ["^What"]}),
    "a system message beyond ASCII": route(prompt_policy={"system": "Svar på norsk, høflig. 😀" * 80}),
    "no credential": of_target(credential=None, url="http://127.0.0.1:11434/v1/chat/completions"),
    "anthropic": of_target(
        provider="anthropic", model="claude", credential_header="x-api-key", options={"anthropic_version": "2023-06-01"}
    ),
    "azure": of_target(
        provider="azure", credential_header="api-key", options={"azure_instance": "acme", "azure_deployment_id": "four"}
    ),
    "mistral": of_target(provider="mistral", model="small", options={"mistral_format": "openai"}),
    "gemini": of_target(provider="gemini", model="flash", credential_header="x-goog-api-key"),
    "cohere": of_target(provider="cohere", model="command"),
    "llama2": of_target(
        provider="llama2", url="https://llama.example.com/api/chat", options={"llama2_format": "ollama"}
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_kong_accepts_every_plugin_and_nothing_is_left_to_its_defaults(case: str) -> None:
    stack = route_stack(manifest=CASES[case])
    assert support_problems(stack) == []
    for model in CASES[case].models:
        for spec in inner_plugins(stack, model):
            assert kong_schema.plugin_problems(spec.name, spec.config) == []
            assert kong_schema.unwritten(kong_schema.config_schema(spec.name), spec.config) == []


@pytest.mark.parametrize("case", CASES)
def test_kong_accepts_every_entity(case: str) -> None:
    stack = route_stack(manifest=CASES[case])
    for model, routed in CASES[case].models.items():
        service = inner_entities.service_inputs(stack, model)
        assert kong_schema.entity_problems("services", service) == []
        way_in = inner_entities.route_inputs(stack, model) | {"service": {"id": "s"}}
        assert kong_schema.entity_problems("routes", way_in) == []
        assert kong_schema.entity_problems("upstreams", inner_entities.upstream_inputs(stack, model)) == []
        for target in routed.targets:
            inputs = inner_entities.target_inputs(stack, target) | {"upstream": {"id": "u"}}
            assert kong_schema.entity_problems("targets", inputs) == []
        # A provider by name is found by name: ai-proxy's own address would not be resolved where the service's is an IP.
        assert (service["protocol"] == "https") is (service.get("tls_verify") is True)


def test_the_public_route_is_a_servers_identity_chain_before_the_endpoints_paths() -> None:
    stack = route_stack(environment(gateway={"redis": REDIS}), route(cors=CORS, logs=ALL_SINKS))
    draft = identity_plugin(stack, {"models.example.com": "a" * 64})
    specs = [draft, *server_plugins(stack)]
    require_protection(stack, specs)
    for spec in specs:
        assert kong_schema.plugin_problems(spec.name, spec.config) == []
        assert kong_schema.unwritten(kong_schema.config_schema(spec.name), spec.config) == []
    inputs = route_inputs(stack)
    assert inputs["methods"] == ["GET", "POST", "OPTIONS"]
    assert inputs["paths"] == ["~/v1/chat/completions$", "~/v1/models$", "~/v1/models/small$"]


def test_a_models_name_with_a_slash_is_found_raw_and_escaped() -> None:
    manifest = route(models={"meta/llama": {"targets": [OPENAI]}}, grants=[])
    assert endpoint_paths(manifest)[-2:] == ["/v1/models/meta%2Fllama", "/v1/models/meta/llama"]


def test_kong_counts_every_period_that_the_budget_names() -> None:
    limits = {
        "principal": {"requests_per_minute": 10, "requests_per_hour": 100, "requests_per_day": 300},
        "all": {"tokens_per_minute": 1000, "tokens_per_day": 9000},
    }
    configs = {spec.name: spec.config for spec in server_plugins(route_stack(manifest=route(limits=limits)))}
    rate, tokens = configs["rate-limiting"], configs["response-ratelimiting"]["limits"]["tokens"]
    assert [rate[period] for period in ("minute", "hour", "day")] == [40, 400, 1200]
    assert [tokens[period] for period in ("minute", "hour", "day")] == [1000, None, 9000]


def proxy(stack: Any, model: str) -> dict[str, Any]:
    (config,) = [spec.config for spec in inner_plugins(stack, model) if spec.name == "ai-proxy"]
    return config


def test_several_targets_are_one_address_whose_host_is_the_upstream() -> None:
    """`kong.service.set_target` and the balancer: a host that is an upstream's name goes to that upstream's targets."""
    stack = route_stack(manifest=whole_route())
    upstream = inner_entities.upstream_inputs(stack, "house")
    assert (
        proxy(stack, "house")["model"]["options"]["upstream_url"] == f"https://{upstream['name']}/v1/chat/completions"
    )
    service = inner_entities.service_inputs(stack, "house")
    assert (service["host"], service["retries"], service["tls_verify"]) == (upstream["name"], 1, True)
    targets = [inner_entities.target_inputs(stack, target) for target in stack.manifest.models["house"].targets]
    assert [(target["target"], target["weight"]) for target in targets] == [
        ("one.example.com:443", 100),
        ("two.example.com:8443", 50),
    ]
    assert proxy(stack, "small")["model"]["options"]["upstream_url"] is None
    assert inner_entities.service_inputs(stack, "small")["retries"] == 0


def test_the_credential_is_a_reference_and_no_caller_takes_its_place() -> None:
    auth = proxy(route_stack(), "small")["auth"]
    assert (auth["header_name"], auth["header_value"]) == ("Authorization", "{vault://env/openai-key}")
    assert auth["allow_override"] is False


def test_the_provider_is_sent_nothing_about_the_caller() -> None:
    (clean,) = [spec.config for spec in inner_plugins(route_stack(), "small") if spec.name == "request-transformer"]
    removed = clean["remove"]["headers"]
    for header in (
        "x-consumer-username",
        "x-credential-identifier",
        "x-forwarded-for",
        "via",
        "cookie",
        "x-ringwall-key",
    ):
        assert header in removed


TWO = [OPENAI | {"url": "https://one.example.com/v1/x"}, OPENAI | {"url": "https://two.example.com/v1/x"}]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the Responses API": (
        {"kinds": ["chat", "responses"], "targets": [OPENAI]},
        "models.small.kinds: Kong oss 3.9.3 cannot carry the Responses API; use edition ai 3.15 (ai-proxy-advanced)",
    ),
    "embeddings": (
        {"kinds": ["embeddings"], "targets": [OPENAI]},
        "models.small.kinds: Kong oss 3.9.3 cannot carry embeddings; use edition ai 3.15 (ai-proxy-advanced)",
    ),
    "two providers": (
        {"targets": [TWO[0], TWO[1] | {"provider": "cohere"}]},
        "models.small.targets: Kong oss 3.9.3 cannot fail over between LLM providers; use edition ai 3.15",
    ),
    "two models": (
        {"targets": [TWO[0], TWO[1] | {"model": "gpt-4o"}]},
        "models.small.targets: Kong oss 3.9.3 cannot fail over between LLM providers; use edition ai 3.15",
    ),
    "two credentials": (
        {"targets": [TWO[0], TWO[1] | {"credential": "{vault://env/second}"}]},
        "models.small.targets: Kong oss 3.9.3 cannot fail over between LLM providers; use edition ai 3.15",
    ),
    "an order": (
        {"targets": [TWO[0], TWO[1] | {"order": 2}]},
        "models.small.targets: Kong oss 3.9.3 cannot try a model's targets in order; use edition ai 3.15",
    ),
    "two paths": (
        {"targets": [TWO[0], TWO[1] | {"url": "https://two.example.com/v2/x"}]},
        "models.small.targets: the addresses differ in more than host and port",
    ),
    "one address twice": (
        {"targets": [TWO[0], TWO[0] | {"weight": 1}]},
        "models.small.targets: two targets are the same address",
    ),
    "several without an address": (
        {"targets": [TWO[0], OPENAI]},
        "models.small.targets.1.url: several targets need an address each",
    ),
    "a query in an address": (
        {"targets": [OPENAI | {"url": "https://one.example.com/v1?x=1"}]},
        "models.small.targets.0.url: ai-proxy sends no query of its address",
    ),
    "bedrock": (
        {"targets": [OPENAI | {"provider": "bedrock"}]},
        "models.small.targets.0.provider: bedrock signs each request with AWS keys",
    ),
    "an option of another provider": (
        {"targets": [OPENAI | {"options": {"azure_instance": "acme"}}]},
        "models.small.targets.0.options.azure_instance: is no option that openai has here; remove it",
    ),
    "a missing option": (
        {"targets": [OPENAI | {"provider": "anthropic"}]},
        "models.small.targets.0.options: anthropic needs anthropic_version; add it",
    ),
    "no address of its own": (
        {"targets": [OPENAI | {"provider": "llama2", "options": {"llama2_format": "raw"}}]},
        "models.small.targets.0.url: llama2 has no address of its own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_edition_cannot_carry_is_refused_by_name(case: str) -> None:
    model, expected = REFUSED[case]
    stack = route_stack(manifest=route(models={"small": model}))
    (problem,) = support_problems(stack)
    assert f"config.ringwall:model.{expected}" in str(problem)


def test_a_system_message_keeps_every_character_in_parts_that_kong_takes() -> None:
    text = "høflig 😀 " * 300
    parts = prompt_parts(text)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= 500 for part in parts)


def test_prompts_that_kong_cannot_take_are_refused_at_their_key() -> None:
    policy = {"system": "😀" * 3000, "deny": ["ø" * 400]}
    texts = [str(problem) for problem in support_problems(route_stack(manifest=route(prompt_policy=policy)))]
    assert "prompt_policy.system: is 12000 bytes, and Kong takes 15 messages of 500" in texts[0]
    assert "prompt_policy.deny.0: is 800 bytes, and Kong takes 500" in texts[1]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "missing closing parenthesis"),
        ("a{2,1}", "numbers out of order"),
        ("[[:foo:]]", "unknown POSIX class name"),
    ],
)
def test_a_pattern_that_kong_could_not_read_is_refused(pattern: str, problem: str) -> None:
    (refusal,) = support_problems(route_stack(manifest=route(prompt_policy={"allow": ["(?i)fine", pattern]})))
    assert "prompt_policy.allow.1: is no regular expression that Kong reads (PCRE): at position" in str(refusal)
    assert problem in str(refusal)


def test_patterns_that_pcre_alone_reads_pass() -> None:
    patterns = ["(?i)x", "(?<name>a)\\k<name>", "(?R)?", "\\p{L}+", "(?>a)b", "høflig"]
    assert support_problems(route_stack(manifest=route(prompt_policy={"deny": patterns}))) == []


def test_a_semantic_cache_is_refused_with_what_to_use_instead() -> None:
    semantic = {"store": "redis", "host": "redis.example.com", "embeddings": OPENAI}
    (problem,) = support_problems(route_stack(manifest=route(cache={"semantic": semantic})))
    assert "cannot cache LLM answers by meaning; use edition ai 3.15 (ai-semantic-cache, shared by all)" in str(problem)


def graph(manifest: ModelRoute | None = None) -> Graph:
    def program() -> None:
        InnerGatewayRing("models-inner", InnerGatewayArgs(route_stack(manifest=manifest or whole_route()), KEY))

    return record(program, project="ringwall", stack="dev.models")


def test_nothing_is_declared_of_a_route_that_the_edition_cannot_carry() -> None:
    with pytest.raises(InputErrors, match="carry embeddings"):
        graph(route(models={"small": {"kinds": ["embeddings"], "targets": [OPENAI]}}))


def test_the_guards_key_is_asked_for_before_a_route_leads_to_a_model() -> None:
    plan = graph()
    plugins = plan.by_type("kong:index/plugin:Plugin")
    for way_in in plan.by_type("kong:index/route:Route"):
        (service,) = [urn for urn in way_in.property_dependencies["serviceId"] if "Service" in urn]
        own = [plugin for plugin in plugins if service in plugin.property_dependencies["serviceId"]]
        assert {plugin.inputs["name"] for plugin in own} >= {"key-auth", "acl", "request-transformer", "ai-proxy"}
        assert {plugin.urn for plugin in own} <= plan.ancestors(way_in.urn)
        assert all("computedConfig" in str(plugin.options["additional_secret_outputs"]) for plugin in own)


def test_the_guards_key_is_a_secret_in_and_out() -> None:
    (key,) = graph().by_type("kong:index/consumerKeyAuth:ConsumerKeyAuth")
    assert KEY not in json.dumps(key.inputs)
    assert "key" in list(key.options["additional_secret_outputs"])  # type: ignore[call-overload]


def test_only_this_routes_guard_enters_its_inner_routes() -> None:
    plan = graph()
    (group,) = plan.by_type("kong:index/consumerAcl:ConsumerAcl")
    for plugin in plan.by_type("kong:index/plugin:Plugin"):
        if plugin.inputs["name"] == "acl":
            assert json.loads(str(plugin.inputs["configJson"]))["allow"] == [group.inputs["group"]]


def test_inner_hosts_are_names_of_at_most_63_characters_a_label() -> None:
    stack = route_stack(manifest=route(models={"a" * 128: {"targets": [OPENAI]}}, grants=[]))
    host = inner_host(stack, "a" * 128)
    assert host.endswith(".models.dev.ringwall.internal")
    assert all(len(label) <= 63 for label in host.split("."))


def test_two_models_whose_names_differ_in_odd_characters_are_two_resources() -> None:
    assert resource_label("gpt-4o") == "gpt-4o"
    assert len({resource_label(name) for name in ("gpt.4", "gpt-4", "gpt:4", "GPT-4")}) == 4
