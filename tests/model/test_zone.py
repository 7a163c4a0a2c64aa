"""The zone's stack file: what it leaves open, and that it reaches no further than its names."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.zone import Zone

RULESET = "3" * 32
RULE = {"hostnames": ["one.example.com"], "countries": ["SE"]}
KEPT_RULE = [{"ref": "a", "expression": "cf.client.bot", "action": "block"}]


def zone(**changes: Any) -> Zone:
    base: dict[str, Any] = {
        "version": 1,
        "cloudflare": {"zone": "example.com", "zone_id": "1" * 32},
        "rules": [RULE],
    }
    return Zone.model_validate(base | changes)


def test_what_the_file_leaves_out_has_these_values() -> None:
    assert zone().dump() == {
        "version": 1,
        "cloudflare": {
            "zone": "example.com",
            "zone_id": "1" * 32,
            "api": "https://api.cloudflare.com/client/v4",
        },
        "existing_ruleset": None,
        "ruleset_name": "default",
        "keep": [],
        "rules": [{"hostnames": ["one.example.com"], "countries": ["SE"]}],
    }


def test_taking_over_comes_before_new_rules_and_both_are_allowed_afterwards() -> None:
    assert zone(existing_ruleset=RULESET, keep=KEPT_RULE, rules=[]).rules == ()
    assert len(zone(existing_ruleset=RULESET, keep=KEPT_RULE).rules) == 1


@pytest.mark.parametrize(
    "hostname",
    [
        "example.com",  # the zone itself would block the whole site
        "one.example.org",
        "badexample.com",
        "one.example.com.evil.org",
        "*.example.com",
        "One.example.com",
    ],
)
def test_a_rule_reaches_no_name_but_full_ones_inside_the_zone(hostname: str) -> None:
    with pytest.raises(ValidationError):
        zone(rules=[RULE | {"hostnames": [hostname]}])


@pytest.mark.parametrize("country", ["se", "SWE", "XX", "T1", ""])
def test_a_country_is_an_iso_code_in_capitals(country: str) -> None:
    with pytest.raises(ValidationError, match="ISO 3166-1"):
        zone(rules=[RULE | {"countries": [country]}])


@pytest.mark.parametrize("action", ["allow", "bypass", "execute", ""])
def test_a_kept_rule_has_an_action_of_custom_rules(action: str) -> None:
    with pytest.raises(ValidationError, match="action"):
        zone(existing_ruleset=RULESET, keep=[KEPT_RULE[0] | {"action": action}])


@pytest.mark.parametrize("changes", [{"version": 2}, {"api_token": "x"}, {"existing_ruleset": "../rulesets"}])
def test_another_version_an_unknown_key_and_an_id_that_is_none_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        zone(**changes)
