"""Every plugin of the licensed editions, judged by Kong's published schemas of 3.15 and by the rules of the rings."""

from __future__ import annotations

from typing import Any

import pytest

from components.editions import TABLE, ByGuard, ByPlugin, Lacking, Protection
from components.gateway import inner_entities
from components.gateway.inner_plugins import inner_plugins
from components.gateway.model_support import support_problems
from components.gateway.plugins import (
    environment_plugins,
    identity_plugin,
    metadata_plugins,
    require_protection,
    server_plugins,
)
from components.gateway.spec import PluginSpec
from model.errors import InputError
from model.kong_versions import Edition
from tests.support import kong_published_schema as published
from tests.support.kong_manifests import (
    ALL_SINKS,
    CORS,
    OPAQUE,
    REDIS,
    audiences,
    environment,
    environment_stack,
    external,
    server,
    stack,
)
from tests.support.model_routes import route, route_stack, whole_route

LICENSED = ("enterprise", "ai")
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "access": ({}, server()),
    "external": ({}, external()),
    "opaque": ({}, external()),
    "browsers, lockdown": ({}, external(cors=CORS, lockdown={"since": "2026-11-01T00:00:00Z", "reason": "x"})),
    "sinks": ({}, server(logs=ALL_SINKS)),
    "redis": ({"redis": REDIS}, server(limits={"requests_per_minute": 10, "requests_per_hour": 100})),
}


def settings_of(edition: str, case: str = "", **gateway: Any) -> Any:
    more: dict[str, Any] = OPAQUE if case == "opaque" else {}
    return environment(gateway={"edition": edition, "version": "3.15.0.4", **gateway}, **more)


def everything(edition: str, case: str) -> list[PluginSpec]:
    gateway, manifest = CASES[case]
    settings = settings_of(edition, case, **gateway)
    subject = stack(settings, manifest)
    return [
        identity_plugin(subject, audiences(manifest)),
        *server_plugins(subject),
        *environment_plugins(environment_stack(settings)),
        *metadata_plugins(subject),
    ]


def config_of(specs: list[PluginSpec], name: str) -> dict[str, Any]:
    (spec,) = [spec for spec in specs if spec.name == name]
    return spec.config


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("edition", LICENSED)
def test_every_config_is_whole_and_one_that_the_published_schema_takes(edition: str, case: str) -> None:
    for spec in everything(edition, case):
        assert published.plugin_problems(spec.name, spec.config) == [], spec.name


def test_the_published_schema_refuses_a_config_of_another_line() -> None:
    config = config_of(server_plugins(stack()), "rate-limiting")
    assert any("redis_host" in problem for problem in published.plugin_problems("rate-limiting", config))
    assert any("not written" in problem for problem in published.plugin_problems("acl", {"allow": ["x"], "deny": None}))


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("edition", ["oss", "enterprise", "ai"])
def test_every_protection_of_an_edition_is_a_plugin_the_guard_or_a_remedy(
    edition: Edition, protection: Protection
) -> None:
    entry = TABLE[edition][protection]
    if isinstance(entry, ByPlugin):
        assert published.config_schema(entry.name)["properties"]
    elif isinstance(entry, ByGuard):
        assert entry.reason
    else:
        assert isinstance(entry, Lacking)
        assert entry.remedy


@pytest.mark.parametrize("edition", LICENSED)
def test_the_token_that_was_read_is_verified_by_the_issuers_pinned_keys(edition: str) -> None:
    config = config_of(everything(edition, "access"), "openid-connect")
    assert config["issuer"] == "https://acme.cloudflareaccess.com"
    assert config["issuers_allowed"] == ["https://acme.cloudflareaccess.com"]
    assert config["jwks_endpoint"] == "https://acme.cloudflareaccess.com/cdn-cgi/access/certs"
    assert config["using_pseudo_issuer"] is True
    assert config["auth_methods"] == ["bearer"]
    assert config["bearer_token_header_name"] == "x-ringwall-assertion"
    assert config["anonymous"] is None
    assert config["upstream_access_token_header"] is None
    assert config["credential_claim"] == ["iss"]


def test_an_issuer_of_ones_own_is_held_to_its_audience() -> None:
    config = config_of(everything("enterprise", "external"), "openid-connect")
    assert config["audience_required"] == ["https://github.example.com/mcp"]
    assert config["jwks_endpoint"] == "https://idp.example.com/jwks"


def test_edition_ai_verifies_it_as_an_mcp_resource() -> None:
    specs = everything("ai", "external")
    config = config_of(specs, "ai-mcp-oauth2")
    assert config["resource"] == "https://github.example.com/mcp"
    assert config["authorization_servers"] == ["https://idp.example.com/realms/x"]
    assert config["jwks_endpoint"] == "https://idp.example.com/jwks"
    assert config["metadata_endpoint"] == "/.well-known/oauth-protected-resource/mcp"
    assert config["insecure_relaxed_audience_validation"] is False
    assert config["introspection_endpoint"] is None
    assert "openid-connect" not in [spec.name for spec in specs]
    assert "jwt" not in [spec.name for spec in specs]


@pytest.mark.parametrize("edition", LICENSED)
def test_an_issuer_of_opaque_tokens_is_asked_about_each_and_nothing_is_kept_for_long(edition: str) -> None:
    specs = everything(edition, "opaque")
    config = config_of(specs, "openid-connect")
    assert config["auth_methods"] == ["introspection"]
    assert config["introspection_endpoint"] == "https://idp.example.com/introspect"
    assert config["introspection_endpoint_auth_method"] == "client_secret_basic"
    assert (config["client_id"], config["client_secret"]) == (["ringwall"], ["{vault://env/idp-secret}"])
    assert (config["introspection_check_active"], config["introspect_jwt_tokens"]) == (True, True)
    assert config["audience_required"] == ["https://github.example.com/mcp"]
    assert config["scopes_required"] == ["mcp:use"]
    assert (config["cache_ttl"], config["cache_ttl_max"], config["cache_ttl_resurrect"]) == (30, 30, 1)
    assert (config["using_pseudo_issuer"], config["jwks_endpoint"]) == (True, None)
    assert config["bearer_token_header_name"] == "x-ringwall-assertion"
    assert config["upstream_headers"] == [{"header": "x-ringwall-principal", "path": ["sub"]}]
    assert "ai-mcp-oauth2" not in [spec.name for spec in specs]
    several = external(oauth={**external().oauth.dump(), "scopes": ["mcp:use", "repo"]})
    plugins = server_plugins(stack(settings_of(edition, "opaque"), several))
    assert config_of(plugins, "openid-connect")["scopes_required"] == ["mcp:use repo"]


def test_a_principals_requests_are_counted_in_sliding_windows() -> None:
    config = config_of(everything("enterprise", "redis"), "rate-limiting-advanced")
    assert (config["limit"], config["window_size"]) == ([40, 400], [60, 3600])
    assert (config["identifier"], config["header_name"]) == ("header", "x-ringwall-principal")
    assert (config["strategy"], config["sync_rate"]) == ("redis", 0)
    assert config["namespace"] == "dev-github-principals"
    assert config["redis"]["ssl_verify"] is True
    assert config["redis"]["password"] == "{vault://env/redis-password}"


@pytest.mark.parametrize(
    ("edition", "case", "missing"),
    [
        ("enterprise", "access", "openid-connect"),
        ("enterprise", "external", "openid-connect"),
        ("ai", "external", "ai-mcp-oauth2"),
        ("enterprise", "opaque", "openid-connect"),
        ("ai", "opaque", "openid-connect"),
        ("ai", "access", "rate-limiting-advanced"),
    ],
)
def test_a_route_without_its_editions_protection_is_refused(edition: str, case: str, missing: str) -> None:
    gateway, manifest = CASES[case]
    subject = stack(settings_of(edition, case, **gateway), manifest)
    specs = everything(edition, case)
    require_protection(subject, specs)
    with pytest.raises(InputError, match=f"a route without {missing} would be open"):
        require_protection(subject, [spec for spec in specs if spec.name != missing])


def test_an_address_of_redis_is_refused_in_every_edition() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1 is an address"):
        server_plugins(stack(settings_of("enterprise", redis={"host": "192.0.2.1"}), server()))


ANYONE = {"provider": "openai", "model": "gpt-4o-mini", "credential": "{vault://env/openai-key}"}
CLAUDE = {
    "provider": "anthropic",
    "model": "claude",
    "credential": "{vault://env/claude-key}",
    "credential_header": "x-api-key",
    "options": {"anthropic_version": "2023-06-01"},
}


def balanced(*targets: dict[str, Any], **model: Any) -> Any:
    manifest = route(models={"small": {"targets": list(targets), **model}})
    return route_stack(settings_of("ai"), manifest)


@pytest.mark.parametrize("edition", LICENSED)
def test_every_config_of_an_inner_route_is_whole_too(edition: str) -> None:
    stack = route_stack(settings_of(edition), whole_route())
    assert support_problems(stack) == []
    for model in stack.manifest.models:
        for spec in inner_plugins(stack, model):
            assert published.plugin_problems(spec.name, spec.config) == [], spec.name


def test_edition_ai_fails_over_between_providers_in_order() -> None:
    stack = balanced(ANYONE, CLAUDE | {"order": 2}, max_output_tokens=500)
    assert support_problems(stack) == []
    config = config_of(inner_plugins(stack, "small"), "ai-proxy-advanced")
    assert published.plugin_problems("ai-proxy-advanced", config) == []
    first, second = config["targets"]
    assert config["balancer"]["algorithm"] == "priority"
    assert first["weight"] > second["weight"]
    assert (config["balancer"]["retries"], config["balancer"]["max_fails"]) == (1, 5)
    assert {"http_429", "http_503", "timeout", "non_idempotent"} <= set(config["balancer"]["failover_criteria"])
    # The guard asks for the first target's model, whichever answers, and bounds the answer under its name for that.
    assert [target["model"]["model_alias"] for target in config["targets"]] == ["gpt-4o-mini"] * 2
    assert [target["model"]["options"]["max_tokens"] for target in config["targets"]] == [None, 500]
    assert [target["auth"]["header_value"] for target in config["targets"]] == [
        "{vault://env/openai-key}",
        "{vault://env/claude-key}",
    ]
    assert not any(target["logging"]["log_payloads"] for target in config["targets"])
    assert not inner_entities.has_upstream(stack, "small")


def test_targets_of_one_order_share_by_weight() -> None:
    config = config_of(inner_plugins(balanced(ANYONE, ANYONE | {"weight": 25}), "small"), "ai-proxy-advanced")
    assert config["balancer"]["algorithm"] == "round-robin"
    assert [target["weight"] for target in config["targets"]] == [100, 25]


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        ((ANYONE, ANYONE | {"weight": 25}, ANYONE | {"order": 2}), "targets of one order have different weights"),
        ((ANYONE, CLAUDE), "the guard's bound reaches the first alone; add max_output_tokens to models.small"),
    ],
)
def test_what_its_balancer_cannot_be_told_is_refused(targets: tuple[dict[str, Any], ...], problem: str) -> None:
    (refusal,) = support_problems(balanced(*targets))
    assert problem in str(refusal)
    assert "models.small.targets" in str(refusal)
