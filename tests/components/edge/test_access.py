"""Who may pass Access: exact policies and groups, and what must never be in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.edge import access
from components.edge.access import (
    GroupSpec,
    PolicySpec,
    access_groups,
    addresses_key,
    agent_policy,
    count_quotas,
    countries_key,
    environment_policies,
    hosted_policy,
    people_policy,
    render_rule,
    server_policies,
)
from model.environment import Agent, Environment
from model.errors import InputError
from model.server import People, Server
from model.stacks import EnvironmentStack

OKTA = "11111111-2222-3333-4444-555555555555"


def settings(**changes: Any) -> Environment:
    base: dict[str, Any] = {
        "version": 1,
        "cloudflare": {"account_id": "0" * 32, "zone": "example.com", "zone_id": "1" * 32, "team": "acme"},
        "hosts": {"h1": {}},
        "gateway": {"admin_uri": "http://127.0.0.1:8001"},
        "countries": ["SE", "NO"],
        "groups": {"engineers": {"emails": ["ada@example.com"], "domains": ["example.com"]}},
        "posture": {
            "encrypted": {"type": "disk_encryption", "platforms": ["mac"], "require_all": True},
            "warp": {"existing": OKTA},
        },
        "agents": {"ci": {"countries": ["SE"], "addresses": ["192.0.2.0/24"], "posture": ["warp"]}},
        "hosted_clients": {
            "claude": {
                "addresses": ["203.0.113.0/24"],
                "source": "https://docs.example.com/ips",
                "redirect_uris": ["https://claude.example.com/callback"],
            }
        },
    }
    return Environment.model_validate(base | changes)


def server(**changes: Any) -> Server:
    base: dict[str, Any] = {
        "version": 1,
        "host": "h1",
        "hostname": "github.example.com",
        "guard_port": 9010,
        "origin": {"url": "http://127.0.0.1:3000/mcp"},
        "countries": ["SE", "NO"],
        "posture": ["warp", "encrypted"],
        "access": {
            "people": {"groups": ["engineers"], "domains": ["example.org"], "emails": ["bob@example.net"]},
            "agents": ["ci"],
            "hosted_clients": {"claude": {"hostname": "claude.example.com", "people": {"emails": ["bob@example.net"]}}},
        },
    }
    return Server.model_validate(base | changes)


def test_people_need_a_listed_country_and_every_posture_rule() -> None:
    policy = people_policy(settings(), server())
    assert policy is not None
    assert policy == PolicySpec(
        key=policy.key,
        decision="allow",
        session_duration="8h",
        include=(("email", "bob@example.net"), ("email_domain", "example.org"), ("group", "engineers")),
        require=(("group", "countries-NO-SE"), ("posture", "encrypted"), ("posture", "warp")),
    )


def test_no_people_means_no_policy_for_people() -> None:
    assert people_policy(settings(), server(access={"agents": ["ci"]})) is None


def test_an_agent_needs_its_own_token_and_its_country_and_its_addresses() -> None:
    assert agent_policy(settings(), "ci") == PolicySpec(
        key="agent-ci",
        decision="non_identity",
        session_duration="24h",
        include=(("agent", "ci"),),
        require=(("group", "countries-SE"), ("group", addresses_key(("192.0.2.0/24",))), ("posture", "warp")),
    )


def test_an_agent_with_a_common_name_must_show_a_certificate_of_that_name_too() -> None:
    agents = {"ci": settings().agents["ci"].model_copy(update={"common_name": "ci.agents.example.com"})}
    asked = agent_policy(settings().model_copy(update={"agents": agents}), "ci")
    assert asked == replace(
        agent_policy(settings(), "ci"),
        require=(*agent_policy(settings(), "ci").require, ("common_name", "ci.agents.example.com")),
    )


def test_agent_policy_without_country_or_address_is_refused() -> None:
    unbound = settings().model_copy(update={"agents": {"ci": Agent.model_construct(countries=(), addresses=())}})
    with pytest.raises(InputError, match="agent ci says neither countries nor addresses"):
        agent_policy(unbound, "ci")


def test_a_hosted_client_is_bound_to_its_vendors_addresses_and_the_reviewer_is_told() -> None:
    policy = hosted_policy(settings(), server(), "claude")
    assert (policy.decision, policy.include) == ("allow", (("email", "bob@example.net"),))
    assert policy.require == (("group", addresses_key(("203.0.113.0/24",))),)
    assert "https://docs.example.com/ips" in policy.note
    assert "no device posture" in policy.note


def test_every_policy_says_from_where(environment: EnvironmentStack) -> None:
    groups = access_groups(environment.settings, environment.manifests)
    policies = environment_policies(environment.settings, environment.manifests)
    assert policies
    for policy in policies.values():
        places = [groups[name].include for kind, name in policy.require if kind == "group"]
        assert places, policy.key
        assert {kind for rules in places for kind, _ in rules} <= {"geo", "ip"}


def test_no_policy_uses_bypass_or_everyone(environment: EnvironmentStack) -> None:
    chosen, manifests = environment.settings, environment.manifests
    policies = environment_policies(chosen, manifests)
    assert {policy.decision for policy in policies.values()} == {"allow", "non_identity"}
    rules = [rule for policy in policies.values() for rule in (*policy.include, *policy.require)]
    rules += [rule for group in access_groups(chosen, manifests).values() for rule in group.include]
    selectors = {key for rule in rules for key in render_rule(rule, chosen, lambda _, name: name)}
    assert selectors == {"email", "email_domain", "geo", "group", "ip", "device_posture", "okta", "service_token"}


def test_only_an_agent_passes_without_identity_and_only_by_its_own_token(environment: EnvironmentStack) -> None:
    for key, policy in environment_policies(environment.settings, environment.manifests).items():
        if policy.decision == "non_identity":
            assert policy.include == (("agent", key.removeprefix("agent-")),)
        else:
            assert {kind for kind, _ in policy.include} <= {"email", "email_domain", "group"}


def test_two_countries_become_one_group() -> None:
    groups = access_groups(settings(), {"github": server()})
    assert groups["countries-NO-SE"] == GroupSpec("countries-NO-SE", (("geo", "NO"), ("geo", "SE")))
    assert [key for key in groups if key.startswith("countries-")] == ["countries-NO-SE", "countries-SE"]


def test_the_order_of_countries_in_the_file_changes_nothing() -> None:
    turned = server(countries=["NO", "SE"])
    assert people_policy(settings(), turned) == people_policy(settings(), server())
    assert access_groups(settings(), {"a": server(), "b": turned}) == access_groups(settings(), {"a": server()})


def test_a_long_list_of_countries_still_has_a_name_that_cloudflare_takes() -> None:
    codes = tuple(f"{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJKLMNOPQRSTUVWXY")
    assert len(countries_key(codes)) < 40
    assert countries_key(codes) != countries_key((*codes[:-1], "ZZ"))


def test_a_group_has_its_people_and_its_identity_providers_groups() -> None:
    chosen = settings(
        identity_providers={"okta": {"id": OKTA, "type": "okta"}},
        groups={"staff": {"domains": ["example.com"], "idp_groups": [{"provider": "okta", "group": "Engineering"}]}},
    )
    assert access_groups(chosen, {})["staff"].include == (
        ("email_domain", "example.com"),
        ("idp", ("okta", "Engineering", None)),
    )


def test_a_group_named_like_an_address_set_is_refused_not_replaced() -> None:
    name = addresses_key(("192.0.2.0/24",))
    with pytest.raises(InputError, match=f"rename groups.{name}"):
        access_groups(settings(groups={name: {"emails": ["eve@example.com"]}}), {})


def test_an_address_is_written_as_access_keeps_it_and_twice_is_once() -> None:
    people = People.model_validate({"emails": ["You@example.com", "you@example.com", "Ada@example.com"]})
    assert access._people(people) == (("email", "ada@example.com"), ("email", "you@example.com"))


def test_servers_with_the_same_people_share_one_policy() -> None:
    twin = server(hostname="jira.example.com", guard_port=9011)
    alone = environment_policies(settings(), {"github": server()})
    assert environment_policies(settings(), {"github": server(), "jira": twin}) == alone


def test_two_policies_under_one_key_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_short", lambda _: "00000000")
    jira = server(hostname="jira.example.com", guard_port=9011, session="1h")
    with pytest.raises(InputError, match="two different Access policies have the key"):
        environment_policies(settings(), {"github": server(), "jira": jira})


@pytest.mark.parametrize(
    "changes",
    [
        {"session": "1h"},
        {"countries": ["SE"]},
        {"posture": ["warp"]},
        {"access": {"people": {"emails": ["eve@example.com"]}}},
    ],
)
def test_a_policy_with_other_content_has_another_key(changes: dict[str, Any]) -> None:
    before, after = people_policy(settings(), server()), people_policy(settings(), server(**changes))
    assert before is not None
    assert after is not None
    assert before.key != after.key
    assert before.key.startswith("people-")
    assert len(before.key) == len("people-") + 8


def test_service_auth_stands_before_people_and_a_hosted_name_has_its_own_policy_only() -> None:
    chosen, manifest = settings(), server()
    people = people_policy(chosen, manifest)
    assert people is not None
    assert server_policies(chosen, manifest) == {
        "github.example.com": ["agent-ci", people.key],
        "claude.example.com": [hosted_policy(chosen, manifest, "claude").key],
    }


def test_every_policy_a_server_names_exists_in_its_environment(environment: EnvironmentStack) -> None:
    policies = environment_policies(environment.settings, environment.manifests)
    for manifest in environment.manifests.values():
        named = server_policies(environment.settings, manifest)
        assert list(named) == list(manifest.hostnames)
        assert {key for keys in named.values() for key in keys} <= set(policies)


def test_quotas_count_what_the_files_ask_of_the_account() -> None:
    chosen = settings()
    counted = count_quotas(chosen, {"github": server()})
    # engineers, countries-SE, countries-NO-SE, and two address sets
    assert counted == {
        "access_applications": 2,
        "access_policies": 3,
        "access_groups": 5,
        "service_tokens": 1,
        "tunnels": 1,
        "mcp_portals": 0,
    }
    # How many servers one portal holds is no sum over an account's environments: `model.portal_checks` judges it.
    assert set(counted) | {"portal_servers"} == set(type(chosen.quotas).model_fields)


@pytest.mark.parametrize(
    ("kind", "claim", "expected"),
    [
        ("okta", None, {"okta": {"name": "G", "identity_provider_id": OKTA}}),
        ("azure_ad", None, {"azure_ad": {"id": "G", "identity_provider_id": OKTA}}),
        ("github", None, {"github_organization": {"name": "G", "identity_provider_id": OKTA}}),
        ("gsuite", None, {"gsuite": {"email": "G", "identity_provider_id": OKTA}}),
        (
            "saml",
            "role",
            {"saml": {"attribute_name": "role", "attribute_value": "G", "identity_provider_id": OKTA}},
        ),
        ("oidc", None, {"oidc": {"claim_name": "groups", "claim_value": "G", "identity_provider_id": OKTA}}),
    ],
)
def test_each_identity_provider_has_its_own_selector(kind: str, claim: str | None, expected: dict[str, Any]) -> None:
    chosen = settings(identity_providers={"idp": {"id": OKTA, "type": kind}})
    assert render_rule(("idp", ("idp", "G", claim)), chosen, lambda _, name: name) == expected
