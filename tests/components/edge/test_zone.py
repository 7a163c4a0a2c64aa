"""The zone's entry point as it is declared, and which manifests are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.edge.zone import ZoneFirewall, ZoneFirewallArgs
from model.zone import Zone
from plan.graph import Resource
from plan.recorder import record
from tests.support.provider_schema import graph_problems, resource_problems

ZONE = "1" * 32
RULESET = "3" * 32
RULES = [{"hostnames": ["github.example.com"], "countries": ["NO", "SE"]}]
KEPT_RULES: list[dict[str, Any]] = [
    {"ref": "a", "expression": "ip.src eq 192.0.2.1", "action": "skip", "skip": {"phases": ["http_ratelimit"]}},
    {
        "ref": "b",
        "expression": "cf.client.bot",
        "action": "block",
        "response": {"status_code": 403, "content": "no", "content_type": "text/plain"},
    },
]


def base(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "cloudflare": {"zone": "example.com", "zone_id": ZONE}, "rules": RULES} | changes


def ruleset(**changes: Any) -> Resource:
    manifest = Zone.model_validate(base(**changes))
    plan = record(
        lambda: ZoneFirewall("example", ZoneFirewallArgs("example", manifest)),
        project="ringwall",
        stack="zone.example",
    )
    (resource,) = plan.by_type("cloudflare:index/ruleset:Ruleset")
    assert graph_problems(plan) == []
    return resource


def test_the_entry_point_is_protected_and_outlives_its_stack() -> None:
    resource = ruleset()
    assert resource.protect is True
    assert resource.options["retain_on_delete"] is True
    assert "import" not in str(resource.options)
    assert (resource.inputs["kind"], resource.inputs["phase"]) == ("zone", "http_request_firewall_custom")
    assert (resource.inputs["zoneId"], resource.inputs["name"]) == (ZONE, "default")


def test_an_existing_entry_point_is_imported_with_the_rules_it_has() -> None:
    resource = ruleset(existing_ruleset=RULESET, keep=KEPT_RULES, rules=[])
    assert f"zones/{ZONE}/{RULESET}" in resource.options.values()
    rules = resource.inputs["rules"]
    assert isinstance(rules, list)
    assert [rule["ref"] for rule in rules] == ["a", "b"]
    assert rules[0]["actionParameters"] == {"phases": ["http_ratelimit"]}
    assert rules[1]["actionParameters"] == {
        "response": {"statusCode": 403, "content": "no", "contentType": "text/plain"}
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": []}, "has no rules"),
        ({"keep": KEPT_RULES}, "belongs to existing_ruleset"),
        ({"rules": [{"hostnames": ["www.example.org"], "countries": ["SE"]}]}, "outside the zone"),
        ({"rules": [{"hostnames": [], "countries": ["SE"]}]}, "hostnames"),
        ({"rules": [{"hostnames": ["github.example.com"], "countries": []}]}, "countries"),
        ({"rules": [*RULES, {"hostnames": ["github.example.com"], "countries": ["SE"]}]}, "is in two rules"),
        ({"existing_ruleset": RULESET, "keep": [KEPT_RULES[0], KEPT_RULES[1] | {"ref": "a"}]}, "the same ref"),
        (
            {"existing_ruleset": RULESET, "keep": [{"ref": "a", "expression": "true", "action": "skip"}]},
            "action skip and the key skip together",
        ),
        ({"existing_ruleset": RULESET, "keep": [KEPT_RULES[0] | {"skip": {}}]}, "skips nothing"),
        ({"existing_ruleset": RULESET, "keep": [KEPT_RULES[1] | {"action": "log"}]}, "belongs to action block"),
        ({"existing_ruleset": RULESET, "keep": [KEPT_RULES[1] | {"logging": True}]}, "belongs to action skip"),
    ],
)
def test_a_manifest_that_would_block_too_much_or_too_little_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Zone.model_validate(base(**changes))


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"kind": "zone", "name": "n", "phase": "p"}, None),
        ({"kind": "zone", "name": "n"}, "phase: required"),
        ({"kind": "zone", "name": "n", "phase": "p", "zone": "z"}, "zone: unknown property of Ruleset"),
        ({"kind": "zone", "name": 1, "phase": "p"}, "name: expected string, not 1"),
        (
            {"kind": "zone", "name": "n", "phase": "p", "rules": [{"action": "block"}]},
            "rules[0].expression: required",
        ),
        (
            {
                "kind": "zone",
                "name": "n",
                "phase": "p",
                "rules": [{"action": "a", "expression": "e", "enabled": "yes"}],
            },
            "rules[0].enabled: expected boolean, not 'yes'",
        ),
    ],
)
def test_the_schema_check_itself_finds_mistakes(inputs: dict[str, Any], problem: str | None) -> None:
    assert resource_problems("cloudflare:index/ruleset:Ruleset", inputs) == ([problem] if problem else [])
