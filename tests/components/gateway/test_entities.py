"""Service, route, upstream and target, judged by Kong 3.9.3's own schemas and by the rings' rules."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components.gateway import entities
from components.gateway.names import consumer_username, issuer_group, metadata_paths, metadata_url
from tests.support import kong_schema
from tests.support.kong_manifests import CASES, CORS, central, environment, external, server, stack


def at_kong(inputs: dict[str, Any]) -> dict[str, Any]:
    """pulumi-kong's names as it sends them to Kong."""
    sent = dict(inputs)
    if "client_certificate_id" in sent:
        sent["client_certificate"] = {"id": sent.pop("client_certificate_id")}
    if "ca_certificate_ids" in sent:
        sent["ca_certificates"] = sent.pop("ca_certificate_ids")
    return sent


@pytest.mark.parametrize("case", CASES)
def test_kong_accepts_every_entity(case: str) -> None:
    settings, manifest = CASES[case]
    service = {"service": {"id": "s"}}
    upstream = {"upstream": {"id": "u"}}
    for kind, inputs in (
        ("upstreams", entities.upstream_inputs(stack(settings, manifest))),
        ("targets", entities.target_inputs(stack(settings, manifest)) | upstream),
        ("services", entities.service_inputs(stack(settings, manifest))),
        ("services", entities.metadata_service_inputs(stack())),
        ("routes", entities.route_inputs(stack(settings, manifest)) | service),
        ("routes", entities.metadata_route_inputs(stack(settings, manifest)) | service),
    ):
        assert kong_schema.entity_problems(kind, at_kong(inputs)) == []


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("services", {"host": "x", "tls_verify": True}),
        ("services", {"host": "x", "read_timeout": 0}),
        ("upstreams", {"name": "x", "hash_on": "header"}),
        ("upstreams", {"name": "x", "hash_on": "none", "hash_fallback": "ip"}),
        ("routes", {"paths": ["mcp"]}),
        ("routes", {"protocols": ["http", "grpc"]}),
        ("targets", {"target": "127.0.0.1:1"}),
    ],
)
def test_the_schema_judge_refuses_what_kong_refuses(kind: str, entity: dict[str, Any]) -> None:
    assert kong_schema.entity_problems(kind, entity)


@pytest.mark.parametrize("case", CASES)
def test_every_health_check_field_is_written_out(case: str) -> None:
    settings, manifest = CASES[case]
    schema = kong_schema.fields(kong_schema.load("entities", "upstreams"))["healthchecks"]
    unwritten = kong_schema.unwritten(schema, entities.upstream_inputs(stack(settings, manifest))["healthchecks"])
    # pulumi-kong has no input for threshold and probe headers; https_sni has no meaning without https.
    assert set(unwritten) <= {"threshold", "active.headers", "active.https_sni"}


# Circuit breaker


@pytest.mark.parametrize("status", [401, 403, 424, 429])
def test_what_a_caller_can_provoke_never_opens_the_circuit(status: int) -> None:
    checks = entities.upstream_inputs(stack())["healthchecks"]
    assert status not in checks["passive"]["unhealthy"]["http_statuses"]
    assert status not in checks["active"]["unhealthy"]["http_statuses"]


def test_the_circuit_opens_and_closes_as_the_manifest_says() -> None:
    manifest = server(circuit_breaker={"failures": 4, "timeouts": 2, "probe_every": "15s", "recover_after": 3})
    checks = entities.upstream_inputs(stack(manifest=manifest))["healthchecks"]
    assert checks["passive"]["unhealthy"] == {
        "http_statuses": [502, 503],
        "http_failures": 4,
        "tcp_failures": 4,
        "timeouts": 0,
    }
    active = checks["active"]
    assert active["unhealthy"]["timeouts"] == 2
    assert (active["http_path"], active["healthy"]) == (
        "/healthz",
        {"interval": 15, "http_statuses": [200], "successes": 3},
    )
    assert active["unhealthy"]["interval"] == 15


def test_an_open_circuit_always_closes_again() -> None:
    """Passive checks never bring a target back; active ones do, and 0 would switch them off."""
    active = entities.upstream_inputs(stack())["healthchecks"]["active"]
    assert active["healthy"]["interval"] > 0
    assert active["healthy"]["successes"] > 0


def test_only_failures_in_a_row_count() -> None:
    passive = entities.upstream_inputs(stack())["healthchecks"]["passive"]
    assert passive["healthy"]["successes"] > 0


def test_all_of_a_principals_requests_meet_one_target() -> None:
    upstream = entities.upstream_inputs(stack())
    assert (upstream["hash_on"], upstream["hash_on_header"]) == ("header", "x-ringwall-principal")


# Service


def test_a_tool_call_is_never_retried() -> None:
    assert entities.service_inputs(stack())["retries"] == 0


def test_timeouts_are_the_manifests_in_milliseconds() -> None:
    manifest = server(timeouts={"connect": "2s", "write": "30s", "read": "10m"})
    service = entities.service_inputs(stack(manifest=manifest))
    assert [service[f"{kind}_timeout"] for kind in ("connect", "write", "read")] == [2000, 30000, 600000]


def test_the_service_leads_to_the_upstream_only() -> None:
    settings, manifest = environment(), server()
    upstream = entities.upstream_inputs(stack(settings, manifest))
    assert entities.service_inputs(stack(settings, manifest))["host"] == upstream["name"] == "dev-github-guard"


def test_the_guard_is_reached_on_loopback() -> None:
    assert entities.target_inputs(stack())["target"] == "127.0.0.1:9010"


def test_a_plain_service_has_no_tls_field() -> None:
    service = entities.service_inputs(stack())
    assert not [key for key in service if "tls" in key or "certificate" in key]


def test_a_central_gateway_reaches_the_guard_by_mutual_tls() -> None:
    settings, manifest = central(), server()
    service = entities.service_inputs(stack(settings, manifest))
    upstream = entities.upstream_inputs(stack(settings, manifest))
    assert (service["protocol"], service["tls_verify"]) == ("https", True)
    assert service["client_certificate_id"] == upstream["client_certificate_id"]
    assert service["ca_certificate_ids"] == ["22222222-2222-2222-2222-222222222222"]
    assert upstream["healthchecks"]["active"]["type"] == "https"
    assert upstream["healthchecks"]["active"]["https_verify_certificate"] is True
    assert entities.target_inputs(stack(settings, manifest))["target"] == "h1.internal.example.com:9010"


def test_unauthenticated_metadata_leads_nowhere_without_its_plugin() -> None:
    service = entities.metadata_service_inputs(stack())
    assert service["host"].endswith(".invalid")
    assert service["name"] != entities.service_inputs(stack())["name"]


# Route


@pytest.mark.parametrize(
    ("path", "yes", "no"),
    [
        ("/mcp", ["/mcp"], ["/mcp/", "/mcp/x", "/mcpx", "/x/mcp", "/MCP", "/"]),
        ("/v1.0/mcp", ["/v1.0/mcp"], ["/v1x0/mcp"]),
        ("/", ["/"], ["/mcp"]),
    ],
)
def test_a_route_opens_exactly_its_path(path: str, yes: list[str], no: list[str]) -> None:
    (kong,) = entities.route_inputs(stack(manifest=server(path=path)))["paths"]
    assert kong.startswith("~/")
    pattern = re.compile(kong[1:])
    assert [candidate for candidate in yes + no if pattern.match(candidate)] == yes


def test_a_route_opens_exactly_its_host_names() -> None:
    assert entities.route_inputs(stack())["hosts"] == ["claude.example.com", "github.example.com"]


def test_no_options_without_cors() -> None:
    assert entities.route_inputs(stack())["methods"] == ["GET", "POST", "DELETE"]
    assert entities.route_inputs(stack(manifest=server(cors=CORS)))["methods"] == ["GET", "POST", "DELETE", "OPTIONS"]


def test_streams_are_not_buffered() -> None:
    route = entities.route_inputs(stack())
    assert (route["request_buffering"], route["response_buffering"]) == (False, False)


def test_the_guard_sees_host_and_path_as_the_client_sent_them() -> None:
    route = entities.route_inputs(stack())
    assert (route["preserve_host"], route["strip_path"]) == (True, False)


def test_metadata_stands_on_both_well_known_paths() -> None:
    route = entities.metadata_route_inputs(stack(manifest=external()))
    assert route["methods"] == ["GET"]
    assert [path[1:].replace("\\", "") for path in route["paths"]] == [
        "/.well-known/oauth-protected-resource/mcp$",
        "/.well-known/oauth-protected-resource$",
    ]
    assert metadata_url("x.example.com", "/mcp") == "https://x.example.com/.well-known/oauth-protected-resource/mcp"
    assert metadata_paths("/") == ["/.well-known/oauth-protected-resource"]


# Names


def test_names_are_unique_per_environment_and_server() -> None:
    names = {
        entities.service_inputs(stack(name=server_name, within=environment_name))["name"]
        for environment_name in ("dev", "prod")
        for server_name in ("github", "jira")
    }
    assert len(names) == 4


def test_keys_sync_and_the_stacks_agree_on_names() -> None:
    assert consumer_username("dev", "access") == "dev-issuer-access"
    assert issuer_group("access") == "issuer-access"
