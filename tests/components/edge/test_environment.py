"""What an environment declares at the edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_type_hints

import pulumi
import pytest

from components.edge.access import access_groups, environment_policies
from components.edge.environment import EdgeEnvironment, EdgeEnvironmentArgs, posture_input
from model.environment import Environment, IdentityProvider, Posture
from model.stacks import EnvironmentStack
from plan.graph import Graph, Resource
from plan.recorder import record
from plan.values import is_secret
from tests.support.provider_schema import graph_problems, resource_problems

NAME = "dev-edge"
CERTIFICATE = "22222222-2222-3333-4444-555555555555"


def graph(environment: EnvironmentStack, settings: Environment | None = None) -> Graph:
    def program() -> None:
        chosen = replace(environment, settings=settings or environment.settings)
        edge = EdgeEnvironment(NAME, EdgeEnvironmentArgs(chosen))
        pulumi.export("policies", edge.policy_ids)
        pulumi.export("client_ids", edge.agent_client_ids)
        pulumi.export("client_secrets", edge.agent_client_secrets)

    return record(program, project="ringwall", stack="dev")


def kind(plan: Graph, name: str) -> dict[str, Resource]:
    """Resources of a type by the name Cloudflare shows."""
    return {str(resource.inputs["name"]): resource for resource in plan.resources if resource.type.endswith(f":{name}")}


def changed(environment: EnvironmentStack, **changes: Any) -> Environment:
    return Environment.model_validate(environment.settings.model_dump(mode="json", exclude_unset=True) | changes)


def test_every_planned_input_fits_the_providers_schema(environment: EnvironmentStack) -> None:
    assert graph_problems(graph(environment)) == []


def test_each_policy_is_declared_once_with_its_own_session(environment: EnvironmentStack) -> None:
    specs = environment_policies(environment.settings, environment.manifests)
    declared = kind(graph(environment), "ZeroTrustAccessPolicy")
    assert set(declared) == {f"dev-{key}" for key in specs}
    for key, spec in specs.items():
        inputs = declared[f"dev-{key}"].inputs
        assert (inputs["decision"], inputs["sessionDuration"]) == (spec.decision, spec.session_duration)


def test_an_agents_policy_names_its_token_its_country_and_its_addresses(environment: EnvironmentStack) -> None:
    plan = graph(environment)
    inputs = kind(plan, "ZeroTrustAccessPolicy")["dev-agent-ci"].inputs
    addresses = next(n for n, r in kind(plan, "ZeroTrustAccessGroup").items() if "192.0.2.0/24" in str(r.inputs))
    assert inputs["includes"] == [{"serviceToken": {"tokenId": f"${{{NAME}-agent-ci.id}}"}}]
    assert inputs["requires"] == [
        {"group": {"id": f"${{{NAME}-group-countries-SE.id}}"}},
        {"group": {"id": f"${{{NAME}-group-{addresses.removeprefix('dev-')}.id}}"}},
    ]


def test_an_agents_certificate_is_asked_for_as_the_provider_takes_it(environment: EnvironmentStack) -> None:
    agents = environment.settings.agents
    named = {**agents, "ci": agents["ci"].model_copy(update={"common_name": "ci.agents.example.com"})}
    settings = environment.settings.model_copy(update={"agents": named})
    policy = kind(graph(replace(environment, settings=settings)), "ZeroTrustAccessPolicy")["dev-agent-ci"]
    assert policy.inputs["requires"][-1] == {"commonName": {"commonName": "ci.agents.example.com"}}  # type: ignore[index]
    assert resource_problems(policy.type, dict(policy.inputs)) == []


@pytest.mark.parametrize("type_", get_args(get_type_hints(IdentityProvider)["type"]))
def test_a_group_of_each_kind_of_identity_provider_fits_the_providers_schema(
    environment: EnvironmentStack, type_: str
) -> None:
    held = {name: {"id": idp.id, "type": type_} for name, idp in environment.settings.identity_providers.items()}
    plan = graph(environment, changed(environment, identity_providers=held))
    includes: Any = kind(plan, "ZeroTrustAccessGroup")["dev-engineers"].inputs["includes"]
    selectors = [rule[name] for rule in includes for name in rule]
    assert any("identityProviderId" in selector for selector in selectors)
    assert graph_problems(plan) == []


def test_two_countries_become_one_group(environment: EnvironmentStack) -> None:
    groups = kind(graph(environment), "ZeroTrustAccessGroup")
    assert set(groups) == {f"dev-{key}" for key in access_groups(environment.settings, environment.manifests)}
    assert groups["dev-countries-NO-SE"].inputs["includes"] == [
        {"geo": {"countryCode": "NO"}},
        {"geo": {"countryCode": "SE"}},
    ]


def test_no_policy_uses_bypass_or_everyone(environment: EnvironmentStack) -> None:
    for name, policy in kind(graph(environment), "ZeroTrustAccessPolicy").items():
        assert policy.inputs["decision"] == ("non_identity" if name.startswith("dev-agent-") else "allow")
        assert policy.inputs["requires"]
        assert not {"everyone", "anyValidServiceToken"} & set(str(policy.inputs).replace("'", " ").split())


def test_each_agent_has_one_service_token_whose_secret_stays_secret(environment: EnvironmentStack) -> None:
    plan = graph(environment)
    tokens = kind(plan, "ZeroTrustAccessServiceToken")
    assert set(tokens) == {"dev-ci", "dev-nightly"}
    for token in tokens.values():
        assert token.inputs["duration"] == "8760h"
        assert token.options["additional_secret_outputs"] == ["clientSecret"]
    secrets = plan.outputs["client_secrets"]
    assert isinstance(secrets, dict)
    assert set(secrets) == {"ci", "nightly"}
    assert all(is_secret(value) for value in secrets.values())
    assert plan.outputs["client_ids"] == {
        "ci": f"${{{NAME}-agent-ci.clientId}}",
        "nightly": f"${{{NAME}-agent-nightly.clientId}}",
    }


def test_a_rotated_secret_names_when_the_one_before_it_ends(environment: EnvironmentStack) -> None:
    agents = environment.settings.dump()["agents"]
    agents["ci"] |= {"secret_version": 2, "previous_secret_expires_at": "2026-12-01T00:00:00Z"}
    plan = graph(environment, changed(environment, agents=agents))
    tokens = kind(plan, "ZeroTrustAccessServiceToken")
    assert tokens["dev-ci"].inputs["clientSecretVersion"] == 2
    assert tokens["dev-ci"].inputs["previousClientSecretExpiresAt"] == "2026-12-01T00:00:00Z"
    # The provider takes the two together only.
    assert not {"clientSecretVersion", "previousClientSecretExpiresAt"} & set(tokens["dev-nightly"].inputs)
    assert graph_problems(plan) == []


def test_an_existing_posture_rule_is_used_and_not_made_again(environment: EnvironmentStack) -> None:
    plan = graph(environment, changed(environment, posture={"encrypted": {"existing": CERTIFICATE}}))
    assert kind(plan, "ZeroTrustDevicePostureRule") == {}
    required = kind(plan, "ZeroTrustAccessPolicy")["dev-agent-nightly"].inputs["requires"]
    assert isinstance(required, list)
    assert {"devicePosture": {"integrationUid": CERTIFICATE}} in required


def test_a_posture_rule_asks_as_often_as_the_file_says(environment: EnvironmentStack) -> None:
    rule = kind(graph(environment), "ZeroTrustDevicePostureRule")["dev-encrypted"]
    assert rule.inputs == {
        "accountId": environment.settings.cloudflare.account_id,
        "name": "dev-encrypted",
        "type": "disk_encryption",
        "schedule": "5m",
        "matches": [{"platform": "mac"}, {"platform": "windows"}],
        "input": {"requireAll": True},
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"type": "disk_encryption", "check_disks": ["C:"]}, {"check_disks": ["C:"]}),
        ({"type": "firewall", "enabled": True}, {"enabled": True}),
        ({"type": "os_version", "version": "14.1"}, {"version": "14.1", "operator": ">="}),
        ({"type": "os_version", "version": "14.1", "operator": "=="}, {"version": "14.1", "operator": "=="}),
        ({"type": "file", "path": "/f", "sha256": "0" * 64}, {"path": "/f", "exists": True, "sha256": "0" * 64}),
        ({"type": "application", "path": "/a"}, {"path": "/a", "exists": True}),
        ({"type": "domain_joined", "domain": "ad.example.com"}, {"domain": "ad.example.com"}),
        (
            {"type": "client_certificate_v2", "certificate_id": CERTIFICATE, "common_name": "laptop"},
            {"certificate_id": CERTIFICATE, "cn": "laptop", "check_private_key": True},
        ),
    ],
)
def test_a_posture_rule_is_written_in_its_strict_reading(rule: dict[str, Any], expected: dict[str, Any]) -> None:
    posture = Posture.model_validate({"platforms": ["mac"], **rule})
    inputs = posture_input(posture)
    assert inputs == expected
    camel = {key.split("_")[0] + "".join(word.title() for word in key.split("_")[1:]): v for key, v in inputs.items()}
    token = "cloudflare:index/zeroTrustDevicePostureRule:ZeroTrustDevicePostureRule"
    assert resource_problems(token, {"type": posture.type, "input": camel}) == []
