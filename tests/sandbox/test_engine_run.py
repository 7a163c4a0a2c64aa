"""The sandbox under the real engine, by the Automation API with inline programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from sandbox import Fault, Sandbox

pytestmark = [
    pytest.mark.engine,
    # The Cloudflare SDK warns about its own deprecated aliases when it is imported.
    pytest.mark.filterwarnings("ignore:cloudflare.index/:DeprecationWarning"),
    # A failed run leaves Pulumi's own event loop unclosed; see `make_stack`.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ACCOUNT, ZONE = "a" * 32, "b" * 32
PLANTED = "planted-secret-value"

MakeStack = Callable[[Sandbox, Callable[[], None]], auto.Stack]


def perimeter(*, read_timeout: int = 60000, auth_plugin: str = "jwt") -> None:
    """A small perimeter on both providers."""
    import pulumi_cloudflare as cf
    import pulumi_kong as kong

    tunnel = cf.ZeroTrustTunnelCloudflared("tunnel", account_id=ACCOUNT, name="github", config_src="cloudflare")
    policy = cf.ZeroTrustAccessPolicy(
        "policy",
        account_id=ACCOUNT,
        name="people",
        decision="allow",
        includes=[{"email_domain": {"domain": "example.com"}}],
    )
    application = cf.ZeroTrustAccessApplication(
        "application",
        account_id=ACCOUNT,
        name="github",
        type="self_hosted",
        domain="github.example.com",
        policies=[{"id": policy.id, "precedence": 1}],
    )
    access = {"required": True, "team_name": "sandbox", "aud_tags": [application.aud]}
    ingress: list[Any] = [
        {"hostname": "github.example.com", "service": "http://127.0.0.1:8000", "origin_request": {"access": access}},
        {"service": "http_status:404"},
    ]
    config = cf.ZeroTrustTunnelCloudflaredConfig(
        "config", account_id=ACCOUNT, tunnel_id=tunnel.id, config={"ingresses": ingress}
    )
    cf.DnsRecord(
        "record",
        zone_id=ZONE,
        name="github.example.com",
        type="CNAME",
        ttl=1,
        proxied=True,
        content=pulumi.Output.concat(tunnel.id, ".cfargotunnel.com"),
        opts=pulumi.ResourceOptions(depends_on=[application, config]),
    )
    agent = cf.ZeroTrustAccessServiceToken("agent", account_id=ACCOUNT, name="agent")
    service = kong.Service("service", name="github", protocol="http", host="127.0.0.1", read_timeout=read_timeout)
    route = kong.Route("route", name="github", protocols=["https"], paths=["/mcp"], service_id=service.id)
    kong.Plugin("auth", name=auth_plugin, route_id=route.id, config_json='{"x": 1}')
    kong.Plugin(
        "log",
        name="http-log",
        route_id=route.id,
        config_json=pulumi.Output.secret(json.dumps({"token": PLANTED})),
        opts=pulumi.ResourceOptions(additional_secret_outputs=["computed_config"]),
    )
    token = cf.get_zero_trust_tunnel_cloudflared_token_output(account_id=ACCOUNT, tunnel_id=tunnel.id).token
    pulumi.export("aud", application.aud)
    pulumi.export("token", pulumi.Output.secret(token))
    pulumi.export("clientSecret", agent.client_secret)


def counts(result: auto.UpResult | auto.RefreshResult | auto.DestroyResult) -> dict[str, int]:
    return {str(key): count for key, count in (result.summary.resource_changes or {}).items()}


def test_whole_life_of_a_perimeter(sandbox: Sandbox, make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(sandbox, perimeter)
    assert {str(key): count for key, count in stack.preview().change_summary.items()} == {"create": 11}
    assert sandbox.resources() == []

    result = stack.up()
    assert counts(result) == {"create": 11}
    assert {key: output.secret for key, output in result.outputs.items()} == {
        "aud": False,
        "token": True,
        "clientSecret": True,
    }
    assert counts(stack.up()) == {"same": 11}
    assert counts(stack.refresh()) == {"same": 11}

    changed = make_stack(sandbox, lambda: perimeter(read_timeout=300000))
    assert counts(changed.up()) == {"same": 10, "update": 1}
    [service] = sandbox.resources("kong:*:Service")
    assert service.outputs["readTimeout"] == 300000

    replaced = make_stack(sandbox, lambda: perimeter(read_timeout=300000, auth_plugin="key-auth"))
    assert counts(replaced.up()) == {"same": 10, "replace": 1}
    assert {plugin.outputs["name"] for plugin in sandbox.resources("*:Plugin")} == {"key-auth", "http-log"}

    state = "".join(path.read_text(errors="replace") for path in (tmp_path / "backend").rglob("*") if path.is_file())
    for secret in (PLANTED, result.outputs["clientSecret"].value, result.outputs["token"].value):
        assert secret not in state
        assert secret not in (sandbox.store.folder / "state.json").read_text()

    assert counts(replaced.destroy()) == {"delete": 11}
    assert sandbox.resources() == []


def everything() -> None:
    """One of each resource type, on explicit providers, with as many nested properties as matter."""
    import pulumi_cloudflare as cf
    import pulumi_kong as kong

    edge = pulumi.ResourceOptions(provider=cf.Provider("edge", api_token=pulumi.Output.secret("t" * 40)))
    gateway = pulumi.ResourceOptions(
        provider=kong.Provider(
            "gateway", kong_admin_uri="http://127.0.0.1:8001", kong_admin_token="x", tls_skip_verify=False
        )
    )
    agent = cf.ZeroTrustAccessServiceToken("agent", account_id=ACCOUNT, name="agent", duration="720h", opts=edge)
    group = cf.ZeroTrustAccessGroup(
        "group", account_id=ACCOUNT, name="countries", includes=[{"geo": {"country_code": "SE"}}], opts=edge
    )
    posture = cf.ZeroTrustDevicePostureRule(
        "posture",
        account_id=ACCOUNT,
        name="disk",
        type="disk_encryption",
        matches=[{"platform": "mac"}],
        input={"require_all": True},
        opts=edge,
    )
    cf.ZeroTrustAccessPolicy(
        "agents",
        account_id=ACCOUNT,
        name="agents",
        decision="non_identity",
        includes=[{"service_token": {"token_id": agent.id}}],
        requires=[{"group": {"id": group.id}}, {"device_posture": {"integration_uid": posture.id}}],
        opts=edge,
    )
    cf.ZeroTrustAccessIdentityProvider(
        "idp", account_id=ACCOUNT, name="okta", type="oidc", config={"client_id": "c"}, opts=edge
    )
    server = cf.ZeroTrustAccessAiControlsMcpServer(
        "server",
        account_id=ACCOUNT,
        name="github",
        hostname="https://github.example.com/mcp",
        auth_type="unauthenticated",
        zero_trust_access_ai_controls_mcp_server_id="github",
        opts=edge,
    )
    cf.ZeroTrustAccessAiControlsMcpPortal(
        "portal",
        account_id=ACCOUNT,
        name="portal",
        hostname="portal.example.com",
        zero_trust_access_ai_controls_mcp_portal_id="portal",
        code_mode="off",
        servers=[{"server_id": server.id, "default_disabled": True}],
        opts=edge,
    )
    cf.Ruleset(
        "waf",
        zone_id=ZONE,
        name="ringwall",
        kind="zone",
        phase="http_request_firewall_custom",
        rules=[{"action": "block", "expression": 'not ip.src.country in {"SE"}', "ref": "geo", "enabled": True}],
        opts=edge,
    )
    cf.LogpushJob(
        "logs", account_id=ACCOUNT, dataset="access_requests", destination_conf=PLANTED, enabled=True, opts=edge
    )
    upstream = kong.Upstream(
        "upstream",
        name="github",
        healthchecks={"active": {"http_path": "/healthz", "healthy": {"interval": 5, "successes": 1}}},
        opts=gateway,
    )
    kong.Target("target", target="127.0.0.1:9010", weight=100, upstream_id=upstream.id, opts=gateway)
    consumer = kong.Consumer("consumer", username="access", custom_id="access", opts=gateway)
    kong.ConsumerAcl("acl", consumer_id=consumer.id, group="access", opts=gateway)
    kong.ConsumerJwtAuth(
        "jwt", consumer_id=consumer.id, key="kid", secret=PLANTED, algorithm="RS256", rsa_public_key="pem", opts=gateway
    )
    kong.ConsumerKeyAuth("key", consumer_id=consumer.id, key=PLANTED, opts=gateway)
    kong.Certificate("certificate", certificate="pem", private_key=PLANTED, snis=["a.example.com"], opts=gateway)


def test_second_run_of_every_resource_type_changes_nothing(sandbox: Sandbox, make_stack: MakeStack) -> None:
    stack = make_stack(sandbox, everything)
    changes = counts(stack.up())
    assert changes == {"create": 19}
    assert counts(stack.up()) == {"same": 19}
    assert counts(stack.refresh()) == {"same": 19}
    assert PLANTED not in (sandbox.store.folder / "state.json").read_text()
    assert counts(stack.destroy()) == {"delete": 19}
    assert sandbox.resources() == []


def test_drift_is_seen_by_refresh_and_repaired_by_up(sandbox: Sandbox, make_stack: MakeStack) -> None:
    stack = make_stack(sandbox, perimeter)
    stack.up()
    [service] = sandbox.resources("kong:*:Service")
    [record] = sandbox.resources("*:DnsRecord")
    sandbox.change(service.id, readTimeout=1)
    sandbox.remove(record.id)
    assert counts(stack.refresh()) == {"same": 9, "update": 1, "delete": 1}
    assert counts(stack.up()) == {"same": 9, "update": 1, "create": 1}
    [service] = sandbox.resources("kong:*:Service")
    assert service.outputs["readTimeout"] == 60000


def test_refused_input_stops_the_preview_with_its_path(sandbox: Sandbox, make_stack: MakeStack) -> None:
    def program() -> None:
        import pulumi_cloudflare as cf

        ingress: list[Any] = [{"hostname": "a.example.com", "service": "http://127.0.0.1:8000/mcp"}]
        cf.ZeroTrustTunnelCloudflaredConfig("c", account_id=ACCOUNT, tunnel_id="t", config={"ingresses": ingress})

    with pytest.raises(auto.CommandError) as caught:
        make_stack(sandbox, program).preview()
    assert "config.ingresses[0].service" in str(caught.value)
    assert "config.ingresses[0]: the last ingress rule must match all URLs" in str(caught.value)


def test_update_that_fails_halfway_is_taken_up_by_the_next_one(sandbox: Sandbox, make_stack: MakeStack) -> None:
    sandbox.faults.add(Fault("create", "*:DnsRecord", message="500 Internal Server Error"))
    stack = make_stack(sandbox, perimeter)
    with pytest.raises(auto.CommandError, match="500 Internal Server Error"):
        stack.up()
    assert sandbox.resources("*:DnsRecord") == []
    assert counts(stack.up())["create"] >= 1
    assert len(sandbox.resources("*:DnsRecord")) == 1


def test_replaced_tunnel_of_the_same_name_is_refused_as_by_the_real_one(
    sandbox: Sandbox, make_stack: MakeStack
) -> None:
    def program(source: str) -> Callable[[], None]:
        def run() -> None:
            import pulumi_cloudflare as cf

            cf.ZeroTrustTunnelCloudflared("t", account_id=ACCOUNT, name="github", config_src=source)

        return run

    make_stack(sandbox, program("local")).up()
    with pytest.raises(auto.CommandError, match="1013: You already have a tunnel with this name"):
        make_stack(sandbox, program("cloudflare")).up()


def test_state_outlives_the_sandbox(tmp_path: Path, make_stack: MakeStack) -> None:
    with Sandbox(tmp_path / "kept") as first:
        make_stack(first, perimeter).up()
    with Sandbox(tmp_path / "kept") as second:
        stack = make_stack(second, perimeter)
        assert counts(stack.refresh()) == {"same": 11}
        assert counts(stack.destroy()) == {"delete": 11}
