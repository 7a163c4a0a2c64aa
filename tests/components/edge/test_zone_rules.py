"""Expressions of the zone's firewall rules."""

from __future__ import annotations

from typing import Any

from components.edge.zone_rules import ruleset_rules
from model.zone import Zone

RULESET = "3" * 32


def zone(**changes: Any) -> Zone:
    base: dict[str, Any] = {
        "version": 1,
        "cloudflare": {"zone": "example.com", "zone_id": "1" * 32},
        "rules": [{"hostnames": ["jira.example.com", "github.example.com"], "countries": ["SE", "NO"]}],
    }
    return Zone.model_validate(base | changes)


def test_a_rule_blocks_only_its_host_names_from_everywhere_but_its_countries() -> None:
    (rule,) = ruleset_rules(zone())
    assert rule["action"] == "block"
    assert rule["enabled"] is True
    assert rule["expression"] == (
        '(lower(http.host) in {"github.example.com" "jira.example.com"} and not ip.src.country in {"NO" "SE"})'
    )


def test_the_order_in_the_file_changes_nothing() -> None:
    turned = zone(rules=[{"hostnames": ["github.example.com", "jira.example.com"], "countries": ["NO", "SE"]}])
    assert ruleset_rules(turned) == ruleset_rules(zone())


def test_each_rule_has_a_ref_that_survives_a_change_of_countries() -> None:
    wiki = {"hostnames": ["wiki.example.com"], "countries": ["SE"]}
    before = ruleset_rules(zone(rules=[{"hostnames": ["github.example.com"], "countries": ["SE"]}, wiki]))
    after = ruleset_rules(zone(rules=[{"hostnames": ["github.example.com"], "countries": ["NO"]}, wiki]))
    refs = [rule["ref"] for rule in before]
    assert len(set(refs)) == 2
    assert [rule["ref"] for rule in after] == refs


def test_kept_rules_stand_first_and_as_they_are() -> None:
    keep_rules: list[dict[str, Any]] = [
        {"ref": "a", "description": "bots", "expression": "cf.client.bot", "action": "block", "enabled": False},
        {
            "ref": "b",
            "expression": "ip.src eq 192.0.2.1",
            "action": "skip",
            "skip": {"ruleset": "current", "products": ["waf"]},
            "logging": True,
        },
        {
            "ref": "c",
            "expression": "true",
            "action": "block",
            "response": {"status_code": 403, "content": "{}", "content_type": "application/json"},
        },
    ]
    rules = ruleset_rules(zone(existing_ruleset=RULESET, keep=keep_rules))
    assert rules[:3] == [
        keep_rules[0],
        {
            "ref": "b",
            "description": "",
            "expression": "ip.src eq 192.0.2.1",
            "action": "skip",
            "enabled": True,
            "action_parameters": {"ruleset": "current", "products": ["waf"]},
            "logging": {"enabled": True},
        },
        {
            "ref": "c",
            "description": "",
            "expression": "true",
            "action": "block",
            "enabled": True,
            "action_parameters": {
                "response": {"status_code": 403, "content": "{}", "content_type": "application/json"}
            },
        },
    ]
    assert len(rules) == 4
