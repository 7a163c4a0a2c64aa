"""What a server declares at the edge, and the order in which its name appears."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.edge.access import server_policies
from components.edge.server import EdgeArgs, EdgeRing, PublicName, PublicNameArgs
from model.errors import InputError
from model.project import Project
from model.stacks import EnvironmentStack, ServerStack
from plan.graph import Graph, Resource
from plan.offline import plan_stack
from plan.recorder import record
from plan.values import is_secret
from tests.support.provider_schema import graph_problems

SECRET = base64.b64encode(b"planted tunnel secret, 32 bytes!").decode()


def graph(
    environment: EnvironmentStack,
    server: str = "hosted",
    *,
    production: bool = False,
    local: bool = False,
    secret: str | None = SECRET,
) -> Graph:
    settings = environment.settings.model_copy(update={"production": production})
    if local:
        hosts = {name: host.model_copy(update={"tunnel": "local"}) for name, host in settings.hosts.items()}
        settings = settings.model_copy(update={"hosts": hosts})
    stack = replace(environment.servers[server], environment=replace(environment, settings=settings))

    def program() -> None:
        declare(stack, secret if local else None)

    return record(program, project="ringwall", stack=f"dev.{server}")


def declare(server: ServerStack, secret: str | None) -> None:
    keys = {key for keys in server_policies(server.settings, server.manifest).values() for key in keys}
    edge = EdgeRing("edge", EdgeArgs(server, {key: f"id-{key}" for key in keys}, secret))
    import pulumi_kong

    # Stands for the other rings' protectors.
    elsewhere = pulumi_kong.Consumer("elsewhere", username="x")
    PublicName("name", PublicNameArgs(server, edge.tunnel_id, [*edge.protectors, elsewhere]))
    pulumi.export("config_yml", edge.config_yml)
    pulumi.export("audiences", edge.audiences)


def of_kind(plan: Graph, kind: str) -> list[Resource]:
    return [resource for resource in plan.resources if resource.type.endswith(f":{kind}")]


def applications(plan: Graph) -> dict[str, Any]:
    return {app.inputs["destinations"][0]["uri"]: app.inputs for app in of_kind(plan, "ZeroTrustAccessApplication")}  # type: ignore[index]


def ingress(plan: Graph) -> list[Any]:
    (config,) = of_kind(plan, "ZeroTrustTunnelCloudflaredConfig")
    rules: list[Any] = config.inputs["config"]["ingresses"]  # type: ignore[index]
    return rules


@pytest.mark.parametrize("server", ["one", "hosted", "external"])
@pytest.mark.parametrize("local", [False, True])
def test_every_planned_input_fits_the_providers_schema(environment: EnvironmentStack, server: str, local: bool) -> None:
    assert graph_problems(graph(environment, server, local=local)) == []


def test_every_stack_of_a_project_fits_the_providers_schemas(project: Project, environment: EnvironmentStack) -> None:
    graphs = [plan_stack(project, environment)]
    graphs += [plan_stack(project, server) for server in environment.servers.values()]
    assert [problem for plan in graphs for problem in graph_problems(plan)] == []


def test_every_ingress_rule_requires_access(environment: EnvironmentStack) -> None:
    *rules, _ = ingress(graph(environment))
    assert {rule["hostname"]: rule["originRequest"]["access"] for rule in rules} == {
        "hosted.example.com": {
            "required": True,
            "teamName": "example",
            "audTags": ["${edge-application.aud}"],
        },
        "hosted-claude.example.com": {
            "required": True,
            "teamName": "example",
            "audTags": ["${edge-application-claude-ai.aud}"],
        },
    }


def test_last_rule_is_404(environment: EnvironmentStack) -> None:
    assert ingress(graph(environment))[-1] == {"service": "http_status:404"}


def test_each_host_name_has_an_application_and_an_audience_of_its_own(environment: EnvironmentStack) -> None:
    plan = graph(environment)
    assert set(applications(plan)) == {"hosted.example.com", "hosted-claude.example.com"}
    assert plan.outputs["audiences"] == {
        "hosted.example.com": "${edge-application.aud}",
        "hosted-claude.example.com": "${edge-application-claude-ai.aud}",
    }


def test_an_application_covers_the_whole_host_and_bypasses_nothing(environment: EnvironmentStack) -> None:
    plan = graph(environment)
    policies = server_policies(environment.settings, environment.manifests["hosted"])
    for hostname, app in applications(plan).items():
        assert app["destinations"] == [{"type": "public", "uri": hostname}]
        assert app["type"] == "self_hosted"
        assert app["policies"] == [
            {"id": f"id-{key}", "precedence": rank} for rank, key in enumerate(policies[hostname], start=1)
        ]
        assert app["sessionDuration"] == "8h"
        assert app["optionsPreflightBypass"] is False
        assert app["serviceAuth401Redirect"] is True
        assert app["httpOnlyCookieAttribute"] is True
        assert app["appLauncherVisible"] is False


def test_loopback_clients_register_themselves_but_a_hosted_one_only_by_its_own_address(
    environment: EnvironmentStack,
) -> None:
    apps = applications(graph(environment))
    assert apps["hosted.example.com"]["oauthConfiguration"] == {
        "enabled": True,
        "dynamicClientRegistration": {
            "enabled": True,
            "allowAnyOnLocalhost": True,
            "allowAnyOnLoopback": True,
            "allowedUris": [],
        },
        "grant": {"accessTokenLifetime": "15m", "sessionDuration": "168h"},
    }
    assert apps["hosted-claude.example.com"]["oauthConfiguration"]["dynamicClientRegistration"] == {
        "enabled": True,
        "allowAnyOnLocalhost": False,
        "allowAnyOnLoopback": False,
        "allowedUris": ["https://claude.example.com/callback"],
    }


def test_only_the_declared_identity_providers_may_sign_anyone_in(environment: EnvironmentStack) -> None:
    for app in applications(graph(environment)).values():
        assert app["allowedIdps"] == ["11111111-2222-3333-4444-555555555555"]


def test_an_external_issuer_leaves_no_second_oauth_door(environment: EnvironmentStack) -> None:
    (app,) = applications(graph(environment, "external")).values()
    oauth = app["oauthConfiguration"]
    assert oauth["enabled"] is False
    assert oauth["dynamicClientRegistration"] == {
        "enabled": False,
        "allowAnyOnLocalhost": False,
        "allowAnyOnLoopback": False,
        "allowedUris": [],
    }
    assert app["allowAuthenticateViaWarp"] is True


@pytest.mark.parametrize("local", [False, True])
def test_dns_record_waits_for_every_protector(environment: EnvironmentStack, local: bool) -> None:
    plan = graph(environment, local=local)
    records = of_kind(plan, "DnsRecord")
    protectors = {resource.urn for resource in plan.resources if resource.custom and resource.type != records[0].type}
    assert len(protectors) == (4 if local else 5)  # tunnel, two applications, ingress where remote, elsewhere
    assert len(records) == 2
    for record_ in records:
        assert protectors <= set(record_.dependencies)
        assert protectors <= plan.ancestors(record_.urn)


def test_the_ingress_waits_for_the_applications(environment: EnvironmentStack) -> None:
    plan = graph(environment)
    (config,) = of_kind(plan, "ZeroTrustTunnelCloudflaredConfig")
    assert {app.urn for app in of_kind(plan, "ZeroTrustAccessApplication")} <= set(config.dependencies)


def test_a_dns_record_is_proxied_and_leads_to_the_tunnel(environment: EnvironmentStack) -> None:
    records = {record_.inputs["name"]: record_.inputs for record_ in of_kind(graph(environment), "DnsRecord")}
    assert set(records) == {"hosted.example.com", "hosted-claude.example.com"}
    assert records["hosted.example.com"] == {
        "zoneId": environment.settings.cloudflare.zone_id,
        "name": "hosted.example.com",
        "type": "CNAME",
        "content": "${edge-tunnel.id}.cfargotunnel.com",
        "proxied": True,
        "ttl": 1,
        "comment": "ringwall dev.hosted",
    }


@pytest.mark.parametrize("production", [False, True])
def test_tunnel_and_application_are_protected_in_production(environment: EnvironmentStack, production: bool) -> None:
    plan = graph(environment, production=production)
    protected = [*of_kind(plan, "ZeroTrustTunnelCloudflared"), *of_kind(plan, "ZeroTrustAccessApplication")]
    assert [resource.protect for resource in protected] == [production] * 3


def test_another_host_name_is_another_application_made_before_the_old_one_goes(environment: EnvironmentStack) -> None:
    for app in of_kind(graph(environment), "ZeroTrustAccessApplication"):
        assert app.options["replace_on_changes"] == ["destinations"]
        assert app.options["delete_before_replace"] is False


def test_a_remote_tunnel_has_no_secret_and_no_file(environment: EnvironmentStack) -> None:
    plan = graph(environment)
    (tunnel,) = of_kind(plan, "ZeroTrustTunnelCloudflared")
    assert tunnel.inputs == {
        "accountId": environment.settings.cloudflare.account_id,
        "name": "dev-hosted",
        "configSrc": "cloudflare",
    }
    assert plan.outputs.get("config_yml") is None


def test_a_local_tunnel_is_configured_by_its_file_and_keeps_its_secret(environment: EnvironmentStack) -> None:
    plan = graph(environment, local=True)
    (tunnel,) = of_kind(plan, "ZeroTrustTunnelCloudflared")
    assert tunnel.inputs["configSrc"] == "local"
    assert is_secret(tunnel.inputs["tunnelSecret"])
    assert of_kind(plan, "ZeroTrustTunnelCloudflaredConfig") == []
    text = str(plan.outputs["config_yml"])
    assert 'tunnel: "${edge-tunnel.id}"' in text
    assert 'credentials-file: "/etc/ringwall/dev.hosted/tunnel-credentials.json"' in text
    assert text.count("required: true") == 2
    assert text.endswith('  - service: "http_status:404"\n')
    assert SECRET not in str(plan)


def test_a_local_tunnel_without_secret_is_refused_with_the_command(environment: EnvironmentStack) -> None:
    with pytest.raises(InputError, match=r"pulumi config set --secret ringwall:tunnelSecret --stack dev\.hosted"):
        graph(environment, local=True, secret=None)


def test_a_short_tunnel_secret_is_refused_and_not_shown(environment: EnvironmentStack) -> None:
    short = base64.b64encode(b"too short").decode()
    with pytest.raises(pulumi.RunError, match="not base64 of at least 32 bytes") as refused:
        graph(environment, local=True, secret=short)
    assert short not in str(refused.value)
