"""Every plugin Ringwall configures, judged by Kong 3.9.3's own schemas and by the rings' rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.editions import Protection
from components.gateway import lua as kong_lua
from components.gateway.plugins import (
    environment_plugins,
    identity_plugin,
    metadata_plugins,
    require_protection,
    server_plugins,
)
from components.gateway.spec import PluginSpec
from model.errors import InputError
from tests.support import kong_schema
from tests.support.kong_manifests import (
    ALL_SINKS,
    CASES,
    CORS,
    REDIS,
    audiences,
    environment,
    environment_stack,
    external,
    server,
    stack,
)

PROTECTING = [
    "pre-function",
    "jwt",
    "acl",
    "rate-limiting",
    "response-ratelimiting",
    "request-size-limiting",
    "request-transformer",
]


def everything(case: str) -> list[PluginSpec]:
    settings, manifest = CASES[case]
    return [
        identity_plugin(stack(settings, manifest), audiences(manifest)),
        *server_plugins(stack(settings, manifest)),
        *environment_plugins(environment_stack(settings)),
        *metadata_plugins(stack(settings, manifest)),
    ]


def config_of(specs: list[PluginSpec], name: str) -> dict[str, Any]:
    (plugin,) = [spec for spec in specs if spec.name == name]
    return plugin.config


def server_config(name: str, settings: Any = None, manifest: Any = None) -> dict[str, Any]:
    return config_of(server_plugins(stack(settings, manifest)), name)


# Against Kong's schemas


@pytest.mark.parametrize("case", CASES)
def test_kong_accepts_every_plugin(case: str) -> None:
    for spec in everything(case):
        assert kong_schema.plugin_problems(spec.name, spec.config) == []


@pytest.mark.parametrize("case", CASES)
def test_every_field_of_every_plugin_is_written_out(case: str) -> None:
    for spec in everything(case):
        assert kong_schema.unwritten(kong_schema.config_schema(spec.name), spec.config) == [], spec.name


@pytest.mark.parametrize("case", CASES)
def test_kong_answers_exactly_what_was_written_so_that_its_drift_is_repaired(case: str) -> None:
    for spec in everything(case):
        assert kong_schema.answered(spec.name, spec.config) == spec.config, spec.name


@pytest.mark.parametrize("case", CASES)
def test_vault_references_stand_only_where_kong_resolves_them(case: str) -> None:
    for spec in everything(case):
        allowed = kong_schema.referenceable(spec.name)
        for path, value in _texts(spec.config):
            if value.startswith("{vault://"):
                assert path in allowed or path.rsplit(".", 1)[0] + ".*" in allowed, (spec.name, path)


def _texts(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, dict):
        return [text for key, part in value.items() for text in _texts(part, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part, path)]
    return []


@pytest.mark.parametrize("case", CASES)
def test_no_plugin_stands_twice_on_one_service(case: str) -> None:
    settings, manifest = CASES[case]
    names = [spec.name for spec in server_plugins(stack(settings, manifest))]
    assert len(names) == len(set(names))


# The schema judge itself


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("acl", {"allow": None, "deny": None}),
        ("acl", {"allow": ["a"], "deny": ["b"]}),
        ("rate-limiting", {"minute": None}),
        ("rate-limiting", {"minute": 0}),
        ("rate-limiting", {"minute": 1, "limit_by": "header"}),
        ("rate-limiting", {"minute": 1, "limit_by": "consumer-group"}),
        ("rate-limiting", {"minute": 1, "policy": "redis"}),
        ("jwt", {"maximum_expiration": 60}),
        ("jwt", {"maximum_expiration": 31536001, "claims_to_verify": ["exp"]}),
        ("jwt", {"claims_to_verify": ["aud"]}),
        ("jwt", {"hide_credentials": True}),
        ("response-ratelimiting", {"limits": {}}),
        ("response-ratelimiting", {"limits": {"tokens": {"minute": None}}}),
        ("file-log", {"path": "/var/log/%d"}),
        ("http-log", {"http_endpoint": "https://x", "headers": {"Host": "x"}}),
        ("http-log", {"http_endpoint": None}),
        ("opentelemetry", {"headers": {}}),
        ("pre-function", {"access": "text"}),
    ],
)
def test_the_schema_judge_refuses_what_kong_refuses(name: str, config: dict[str, Any]) -> None:
    assert kong_schema.plugin_problems(name, config)


# Identity


def test_jwt_reads_the_checked_token_only() -> None:
    jwt = server_config("jwt")
    assert jwt["header_names"] == ["x-ringwall-assertion"]
    assert (jwt["uri_param_names"], jwt["cookie_names"], jwt["anonymous"]) == ([], [], None)
    assert jwt["key_claim_name"] == "kid"


def test_jwt_verifies_time_and_preflights() -> None:
    for manifest in (server(), external()):
        # A listed claim is demanded, and service tokens have no nbf.
        assert server_config("jwt", manifest=manifest)["claims_to_verify"] == ["exp"]
        assert server_config("jwt", manifest=manifest)["run_on_preflight"] is True


@pytest.mark.parametrize(
    ("manifest", "seconds"),
    [
        (server(), 8 * 3600 + 30),
        (server(session="30m"), 1800 + 30),
        (server(session="5m", oauth={"access_token_lifetime": "15m"}), 900 + 30),
        (external(session="1h"), 3600 + 30),
        (server(session="9000h"), 365 * 86400),
    ],
)
def test_no_token_outlives_the_session(manifest: Any, seconds: int) -> None:
    assert server_config("jwt", manifest=manifest)["maximum_expiration"] == seconds


def test_a_key_of_another_issuer_opens_nothing() -> None:
    assert server_config("acl")["allow"] == ["issuer-access"]
    assert server_config("acl", manifest=external())["allow"] == ["issuer-keycloak"]
    assert server_config("acl")["hide_groups_header"] is True


def test_the_identity_check_runs_before_every_other_plugin() -> None:
    manifest = server()
    config = identity_plugin(stack(manifest=manifest), audiences(manifest)).config
    assert len(config["access"]) == 1
    assert [phase for phase, lua in config.items() if lua] == ["access"]


def test_an_external_server_repairs_the_challenge_of_a_401() -> None:
    manifest = external()
    config = identity_plugin(stack(manifest=manifest), audiences(manifest)).config
    assert len(config["header_filter"]) == 1
    assert ".well-known/oauth-protected-resource/mcp" in config["header_filter"][0]


def test_a_host_name_without_an_audience_is_refused() -> None:
    with pytest.raises(InputError, match=r"claude\.example\.com has no Access audience"):
        identity_plugin(stack(), {"github.example.com": "a"})


def test_an_empty_audience_is_refused() -> None:
    with pytest.raises(InputError, match="is empty"):
        identity_plugin(stack(), dict.fromkeys(server().hostnames, ""))


def test_an_audience_of_a_foreign_host_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"other\.example\.com is not a host name"):
        identity_plugin(stack(), audiences(server()) | {"other.example.com": "a"})


def test_an_unknown_issuer_is_refused() -> None:
    with pytest.raises(InputError, match="keycloak is not an issuer"):
        server_plugins(stack(environment(issuers={}), external()))


@pytest.mark.parametrize("missing", PROTECTING)
def test_route_without_auth_is_refused(missing: str) -> None:
    settings, manifest = environment(), server()
    specs = [
        identity_plugin(stack(settings, manifest), audiences(manifest)),
        *server_plugins(stack(settings, manifest)),
    ]
    require_protection(stack(settings, manifest), specs)
    with pytest.raises(InputError, match=missing):
        require_protection(stack(settings, manifest), [spec for spec in specs if spec.name != missing])


# Limits


@pytest.mark.parametrize("name", ["rate-limiting", "response-ratelimiting"])
def test_rate_limiting_fails_closed(name: str) -> None:
    assert server_config(name)["fault_tolerant"] is False


def test_each_principal_is_limited_alone_far_above_where_the_guard_answers_inside_the_protocol() -> None:
    limit = server_config("rate-limiting", manifest=server(limits={"requests_per_minute": 7, "requests_per_hour": 70}))
    assert (limit["limit_by"], limit["header_name"]) == ("header", "x-ringwall-principal")
    assert (limit["minute"], limit["hour"]) == (28, 280)


@pytest.mark.parametrize(
    ("limit", "gateway"), [(60, 240), (25_000, 100_000), (60_000, 100_000), (100_000, 100_000), (200_000, 200_000)]
)
def test_a_limit_that_is_one_is_never_widened_to_one_that_is_none(limit: int, gateway: int) -> None:
    limits = {"requests_per_minute": limit, "requests_per_hour": 60 * limit}
    config = server_config("rate-limiting", manifest=server(limits=limits))
    assert (config["minute"], config["hour"]) == (gateway, 60 * gateway)


def test_an_hour_below_the_minute_is_refused() -> None:
    with pytest.raises(InputError, match="requests_per_hour 5 is lower"):
        server_config("rate-limiting", manifest=server(limits={"requests_per_hour": 5}))


def test_a_spent_token_budget_is_the_guards_to_refuse_since_kong_would_after_the_call_ran() -> None:
    budget = server_config("response-ratelimiting", manifest=server(limits={"tokens_per_minute": 500}))
    assert budget["block_on_first_violation"] is False
    assert budget["limits"]["tokens"]["minute"] == 500
    assert (budget["header_name"], budget["limit_by"]) == ("x-kong-limit", "consumer")


@pytest.mark.parametrize("name", ["rate-limiting", "response-ratelimiting"])
def test_counters_are_shared_by_verified_redis_when_there_is_one(name: str) -> None:
    assert server_config(name)["policy"] == "local"
    config = server_config(name, environment(gateway={"redis": REDIS}))
    assert config["policy"] == "redis"
    assert config["redis"] == {
        "host": "redis.example.com",
        "port": 6379,
        "timeout": 2000,
        "username": "{vault://env/redis-user}",
        "password": "{vault://env/redis-password}",
        "database": 0,
        "ssl": True,
        "ssl_verify": True,
        "server_name": "redis.example.com",
    }


def test_redis_by_address_cannot_be_verified() -> None:
    with pytest.raises(InputError, match=r"10\.0\.0\.5 is an address"):
        server_config("rate-limiting", environment(gateway={"redis": {"host": "10.0.0.5"}}))


@pytest.mark.parametrize(("limit", "gateway"), [(64, 256), (1024, 4096), (20_000, 65_536), (65_536, 65_536)])
def test_the_body_limit_is_a_floods_and_get_needs_no_length(limit: int, gateway: int) -> None:
    config = server_config("request-size-limiting", manifest=server(limits={"body_kilobytes": limit}))
    assert config == {"allowed_payload_size": gateway, "size_unit": "kilobytes", "require_content_length": False}


# Headers


@pytest.mark.parametrize(
    "header",
    ["x-ringwall-assertion", "cf-access-client-secret", "proxy-authorization", "x-consumer-username", "apikey"],
)
def test_credentials_of_this_ring_do_not_travel_on(header: str) -> None:
    assert header in server_config("request-transformer")["remove"]["headers"]


@pytest.mark.parametrize("header", ["cf-access-jwt-assertion", "x-ringwall-principal", "mcp-session-id", "host"])
def test_what_the_guard_and_the_balancer_read_stays(header: str) -> None:
    assert header not in server_config("request-transformer")["remove"]["headers"]


def test_the_bearer_token_reaches_the_guard_only_where_it_names_the_principal() -> None:
    assert "authorization" in server_config("request-transformer")["remove"]["headers"]
    assert "authorization" not in server_config("request-transformer", manifest=external())["remove"]["headers"]


# CORS


def test_without_cors_there_is_no_cors_plugin() -> None:
    assert "cors" not in [spec.name for spec in server_plugins(stack())]


def test_cors_names_literal_origins_and_keeps_cookies_out() -> None:
    cors = server_config("cors", manifest=server(cors=CORS))
    assert cors["origins"] == CORS["origins"]
    assert (cors["credentials"], cors["preflight_continue"], cors["private_network"]) == (False, False, False)


@pytest.mark.parametrize(
    "origin",
    [
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com/x",
        "https://a|b.com",
        "https://A.com",
    ],
)
def test_an_origin_that_kong_would_read_as_a_pattern_is_refused(origin: str) -> None:
    with pytest.raises(InputError, match="is not an origin"):
        server_plugins(stack(manifest=server(cors={"origins": [origin]})))


# Logs


def test_every_sink_logs_by_allow_list() -> None:
    specs = server_plugins(stack(manifest=server(logs=ALL_SINKS)))
    for name in ("http-log", "file-log"):
        assert config_of(specs, name)["custom_fields_by_lua"] == kong_lua.log_fields()
        assert {"request.headers", "response.headers"} <= set(kong_lua.log_fields())


def test_environment_sinks_are_global_and_complete() -> None:
    names = [spec.name for spec in environment_plugins(environment_stack(environment(logs=ALL_SINKS)))]
    assert names == ["correlation-id", "prometheus", "http-log", "file-log", "opentelemetry"]


@pytest.mark.parametrize("kind", ["http", "file", "otlp"])
def test_a_server_sink_that_would_silence_the_environments_is_refused(kind: str) -> None:
    sink = {kind: ALL_SINKS[kind]}
    with pytest.raises(InputError, match=f"logs.{kind} would silence"):
        server_plugins(stack(environment(logs=sink), server(logs=sink)))


def test_a_server_sink_of_another_kind_stands_beside_the_environments() -> None:
    specs = server_plugins(
        stack(environment(logs={"file": ALL_SINKS["file"]}), server(logs={"http": ALL_SINKS["http"]}))
    )
    assert [spec.name for spec in specs if spec.name.endswith("-log")] == ["http-log"]


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ({"http": {"url": "https://x.example.com/?token=1"}}, "drops a query string"),
        ({"http": {"url": "https://x.example.com/", "headers": {"Host": "{vault://env/x}"}}}, "cannot be a header"),
        ({"http": {"url": "https://x.example.com/", "headers": {"a b": "{vault://env/x}"}}}, "cannot be a header"),
        ({"file": {"path": "/var/log/%d.log"}}, "cannot be a log file"),
    ],
)
def test_a_sink_that_kong_would_misread_is_refused(logs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        server_plugins(stack(manifest=server(logs=logs)))


def test_the_request_id_is_the_gateways_own() -> None:
    config = config_of(environment_plugins(environment_stack()), "correlation-id")
    assert config == {"header_name": "x-ringwall-request-id", "generator": "uuid", "echo_downstream": True}


# Metadata


def test_access_servers_publish_no_metadata_of_their_own() -> None:
    assert metadata_plugins(stack()) == []


def test_metadata_names_the_issuer_and_the_resource() -> None:
    config = config_of(metadata_plugins(stack(manifest=external())), "request-termination")
    assert (config["status_code"], config["content_type"], config["trigger"]) == (200, "application/json", None)
    assert json.loads(config["body"]) == {
        "resource": "https://github.example.com/mcp",
        "authorization_servers": ["https://idp.example.com/realms/x"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp:use"],
    }


# Texts


def test_config_is_written_as_go_writes_it() -> None:
    spec = PluginSpec("x", "x", {"b": "<&>\u2028ä", "a": None, "c": [0.01, 60]}, "", Protection.CORS)
    assert spec.config_json() == '{"a":null,"b":"\\u003c\\u0026\\u003e\\u2028ä","c":[0.01,60]}'
    assert json.loads(spec.config_json()) == spec.config


@pytest.mark.parametrize("case", CASES)
def test_configs_are_rendered_deterministically(case: str) -> None:
    assert [spec.config_json() for spec in everything(case)] == [spec.config_json() for spec in everything(case)]
