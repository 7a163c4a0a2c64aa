from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.origin.host import build_host_bundle, render
from model.host_bundle import HostBundle
from model.loopback import is_loopback
from model.project import load_environment, open_project
from model.stacks import EnvironmentStack
from tests.support.edition_projects import edition_project, opaque_tokens
from tests.support.model_routes import ROUTE, write_route_project
from tests.support.projects import server_text, write_project, write_server


def built(environment: EnvironmentStack, name: str, cloudflared: str | None = None) -> HostBundle:
    return build_host_bundle(environment.servers[name], "tunnel-1", "{}\n", cloudflared)


@pytest.mark.parametrize("name", ["one", "hosted", "external"])
def test_nothing_on_the_host_listens_beyond_loopback(environment: EnvironmentStack, name: str) -> None:
    for listener in built(environment, name).listeners:
        assert listener.address.startswith("/") or is_loopback(listener.address.rsplit(":", 1)[0])


def test_a_stdio_server_has_no_listener_at_all(environment: EnvironmentStack) -> None:
    assert {listener.process for listener in built(environment, "external").listeners} == {"guard", "kong"}


def test_readiness_and_metrics_have_a_port_of_their_own_on_loopback(environment: EnvironmentStack) -> None:
    assert [
        (item.address, item.purpose) for item in built(environment, "one").listeners if item.process == "guard"
    ] == [
        ("127.0.0.1:10010", "readiness and metrics"),
        ("127.0.0.1:9010", "traffic from the gateway"),
    ]


def test_kong_may_use_cjson_in_its_sandbox(environment: EnvironmentStack) -> None:
    assert built(environment, "one").kong.settings["untrusted_lua_sandbox_requires"] == "cjson.safe"


def test_nginx_writes_no_request_line_and_so_no_query_string(tmp_path: Path) -> None:
    for topology in ("colocated", "hybrid"):
        root = write_project(tmp_path / topology, topology=topology)
        kong = built(load_environment(open_project(root), "dev"), "one").kong
        assert kong.settings["proxy_access_log"] == "off"


def test_a_data_plane_has_no_admin_api(tmp_path: Path) -> None:
    root = write_project(tmp_path, topology="hybrid")
    kong = built(load_environment(open_project(root), "dev"), "one").kong
    assert (kong.role, kong.settings["admin_listen"], kong.settings["cluster_mtls"]) == ("data_plane", "off", "pki")


def test_the_admin_api_of_a_colocated_gateway_is_on_loopback(environment: EnvironmentStack) -> None:
    assert built(environment, "one").kong.settings["admin_listen"] == "127.0.0.1:8001"


def test_the_tunnel_token_is_read_from_a_file_and_never_an_argument(environment: EnvironmentStack) -> None:
    connector = built(environment, "one").cloudflared
    assert connector.arguments[-2:] == ("--token-file", "/etc/ringwall/dev.one/tunnel-token")


def test_a_locally_managed_tunnel_brings_its_config_file(environment: EnvironmentStack) -> None:
    bundle = built(environment, "one", "tunnel: x\n")
    assert bundle.cloudflared.config_file == "/etc/ringwall/dev.one/cloudflared.yml"
    assert [file.path for file in bundle.files] == ["/etc/ringwall/dev.one/cloudflared.yml"]


def test_the_guard_takes_its_configuration_signed_and_the_operator_brings_it(environment: EnvironmentStack) -> None:
    bundle = built(environment, "one")
    config, key = "/etc/ringwall/dev.one/guard.bundle.json", "/etc/ringwall/dev.one/guard-signing.pub"
    assert bundle.guard is not None
    assert bundle.guard.arguments == (
        "ringwall", "guard", "run", "--config", config, "--public-key", key,
        "--server", "dev.one", "--state", "/var/lib/ringwall/dev.one",
    )  # fmt: skip
    assert [file.path for file in bundle.provided] == [config, key]
    assert bundle.files == ()
    assert bundle.guard.config_sha256 == "sha256:" + hashlib.sha256(b"{}\n").hexdigest()


def test_no_private_key_is_asked_for_on_a_host(environment: EnvironmentStack) -> None:
    for name in environment.servers:
        assert "guard-signing.key" not in render(built(environment, name))


def test_every_file_carries_its_digest(environment: EnvironmentStack) -> None:
    (file,) = built(environment, "one", "tunnel: x\n").files
    assert file.sha256 == "sha256:" + hashlib.sha256(file.content.encode()).hexdigest()


def test_every_secret_the_host_needs_is_named_with_its_reader(environment: EnvironmentStack) -> None:
    assert [(s.reader, s.reference.file or s.reference.env) for s in built(environment, "hosted").secrets] == [
        ("cloudflared", "/etc/ringwall/dev.hosted/tunnel-token"),
        ("guard", "LAKERA_API_KEY"),
        ("kong", "LOG_ENDPOINT"),
        ("kong", "LOG_TOKEN"),
    ]
    assert [(s.reader, s.purpose) for s in built(environment, "external").secrets][1:] == [
        ("server", "the server's API_KEY"),
        ("kong", "logs.http.url of dev"),
        ("kong", "logs.http.headers.x-log-token of dev"),
    ]


def test_what_the_gateways_shared_counters_need_is_named(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    file = root / "stacks" / "Pulumi.dev.yaml"
    password = "{vault://env/counters/password}"
    redis = f'    gateway:\n      redis: {{host: counters.example.com, port: 6380, password: "{password}"}}\n'
    file.write_text(file.read_text().replace("    gateway:\n", redis))
    bundle = built(load_environment(open_project(root), "dev"), "one")
    assert ("kong", "counters.example.com:6380", "shared counters") in [
        (e.process, e.destination, e.purpose) for e in bundle.egress
    ]
    assert next((s.reference.env, s.purpose) for s in bundle.secrets if s.reader == "kong") == (
        "COUNTERS",
        "gateway.redis.password of dev",
    )


def test_every_destination_that_leaves_the_host_is_named(environment: EnvironmentStack) -> None:
    assert {(e.process, e.destination) for e in built(environment, "hosted").egress} == {
        ("cloudflared", "region1.v2.argotunnel.com:7844"),
        ("cloudflared", "region2.v2.argotunnel.com:7844"),
        ("guard", "https://example.cloudflareaccess.com/cdn-cgi/access/certs"),
        ("guard", "https://api.lakera.ai"),
        ("kong", "{vault://env/log-endpoint}"),
        ("kong", "https://otlp.example.com/v1/traces"),
    }


GUARD = """\
    guard:
      audit_anchor:
        url: https://anchor.example.com/heads
        token: {file: /etc/ringwall/anchor-token}
      traces:
        endpoint: https://otlp.example.com/v1/traces
        headers: {Authorization: {env: OTLP_TOKEN, scheme: Bearer}}
      redis:
        url: rediss://counters.example.com:6380/0
        password: {env: REDIS_PASSWORD}
"""


def test_what_the_audit_anchor_traces_and_the_shared_counters_need_is_named(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    write_server(root, "dev.one", server_text("one") + GUARD)
    bundle = built(load_environment(open_project(root), "dev"), "one")
    assert [(s.reference.file or s.reference.env, s.purpose) for s in bundle.secrets if s.reader == "guard"] == [
        ("/etc/ringwall/anchor-token", "token for the audit log's anchor"),
        ("OTLP_TOKEN", "header Authorization for the collector of traces"),
        ("REDIS_PASSWORD", "Redis password"),
    ]
    assert [(e.destination, e.purpose) for e in bundle.egress if e.process == "guard"][1:] == [
        ("https://anchor.example.com/heads", "the audit log's signed head"),
        ("https://otlp.example.com/v1/traces", "spans of calls"),
        ("rediss://counters.example.com:6380/0", "shared counters"),
    ]


def test_where_a_model_routes_spans_go_is_named_too(tmp_path: Path) -> None:
    traces = (
        "    guard: {traces: {endpoint: https://otlp.example.com/v1/traces, "
        "headers: {Authorization: {env: OTLP_TOKEN, scheme: Bearer}}}}\n"
    )
    environment = load_environment(open_project(write_route_project(tmp_path, ROUTE + traces)), "dev")
    bundle = build_host_bundle(environment.models["models"], "tunnel-1", "{}\n", None)
    assert "header Authorization for the collector of traces" in [secret.purpose for secret in bundle.secrets]
    assert ("guard", "https://otlp.example.com/v1/traces") in [(e.process, e.destination) for e in bundle.egress]


ENGINES = """\
    guard:
      engines:
        lakera: {project_id: project-1, api_key: {env: LAKERA_API_KEY}}
        http: {url: "https://judge.example.com/verdict", token: {file: /etc/ringwall/engine-token}}
"""


def test_what_each_engine_needs_is_named(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    write_server(root, "dev.one", server_text("one") + ENGINES)
    bundle = built(load_environment(open_project(root), "dev"), "one")
    assert [(s.reference.file or s.reference.env, s.purpose) for s in bundle.secrets if s.reader == "guard"] == [
        ("LAKERA_API_KEY", "Lakera Guard API key"),
        ("/etc/ringwall/engine-token", "HTTP engine token"),
    ]
    assert [e.destination for e in bundle.egress if e.purpose == "verdicts"] == [
        "https://api.lakera.ai",
        "https://judge.example.com/verdict",
    ]


def test_an_issuer_that_is_asked_stands_in_the_bundle_with_both_secrets(tmp_path: Path) -> None:
    project = opaque_tokens(edition_project(tmp_path, "enterprise"))
    bundle = built(load_environment(project, "dev"), "external")
    secrets = {(secret.reader, secret.reference.file or secret.reference.env) for secret in bundle.secrets}
    assert secrets >= {("guard", "/etc/ringwall/idp-secret"), ("kong", "IDP_SECRET")}
    asked = "https://login.example.org/realms/tools/introspect"
    assert {item.process for item in bundle.egress if item.destination == asked} == {"guard", "kong"}
    assert not any("certs" in item.destination and "login" in item.destination for item in bundle.egress)


def test_what_the_server_is_sent_and_where_tokens_come_from_stand_in_the_bundle(tmp_path: Path) -> None:
    root = write_project(tmp_path, every_shape=True)
    origin = """origin:
      url: http://127.0.0.1:3999/mcp
      headers: {X-Desk-Key: {env: DESK_KEY}}
      token_exchange:
        grant: token-exchange
        token_endpoint: https://login.example.com/token
        client_id: guard
        client_secret: {file: /etc/ringwall/exchange}
        audience: api://tickets"""
    path = root / "stacks" / "Pulumi.dev.external.yaml"
    before = path.read_text()
    after = """origin:
      command: [node, server.js]
      environment:
        API_KEY: {file: /etc/server/key}"""
    assert after in before
    path.write_text(before.replace(after, origin))
    bundle = built(load_environment(open_project(root), "dev"), "external")
    secrets = {secret.purpose: secret.reference for secret in bundle.secrets if secret.reader == "guard"}
    assert secrets["header X-Desk-Key that the server is sent"].env == "DESK_KEY"
    assert secrets["the guard's secret at the token endpoint"].file == "/etc/ringwall/exchange"
    assert ("guard", "https://login.example.com/token") in {(item.process, item.destination) for item in bundle.egress}
