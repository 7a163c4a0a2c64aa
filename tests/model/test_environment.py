"""An environment's rules that depend on its topology, and what its properties say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.environment import Environment, Posture

MUTUAL_TLS = {
    "client_certificate_id": "11111111-2222-3333-4444-555555555555",
    "ca_certificate_ids": ["11111111-2222-3333-4444-666666666666"],
}


def environment(**changes: Any) -> Environment:
    base: dict[str, Any] = {
        "version": 1,
        "cloudflare": {"account_id": "0" * 32, "zone": "example.com", "zone_id": "1" * 32, "team": "acme"},
        "hosts": {"h1": {}},
        "gateway": {"admin_uri": "https://kong.example.com:8444"},
        "countries": ["SE"],
    }
    return Environment.model_validate({**base, **changes})


def test_access_keys_come_from_the_teams_own_address() -> None:
    cloudflare = environment().cloudflare
    assert cloudflare.issuer == "https://acme.cloudflareaccess.com"
    assert cloudflare.jwks_uri == "https://acme.cloudflareaccess.com/cdn-cgi/access/certs"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:8001",
        "http://127.0.0.1",
        "http://localhost:8001/admin",
        "https://localhost:8444/kong:x",
        "http://[::1]:8001",
        "http://[::1]",
        "https://LOCALHOST:8444",
    ],
)
def test_a_production_admin_api_is_not_on_loopback_however_it_is_written(uri: str) -> None:
    with pytest.raises(ValidationError, match="is on loopback"):
        environment(production=True, topology="hybrid", gateway={"admin_uri": uri})
    assert environment(topology="hybrid", gateway={"admin_uri": uri}).gateway.admin_uri == uri


def test_a_production_environment_may_be_hybrid_or_central() -> None:
    assert environment(production=True, topology="hybrid").production
    central = environment(
        production=True,
        topology="central",
        hosts={"h1": {"guard_address": "guard.example.com"}},
        gateway={"admin_uri": "https://kong.example.com:8444", "mutual_tls": MUTUAL_TLS},
    )
    assert central.topology == "central"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hosts": {"h1": {}}}, "needs guard_address in the central topology"),
        ({"gateway": {"admin_uri": "https://kong.example.com"}}, "needs mutual_tls in the central topology"),
    ],
)
def test_the_central_topology_reaches_guards_by_mutual_tls_only(changes: dict[str, Any], problem: str) -> None:
    good: dict[str, Any] = {
        "topology": "central",
        "hosts": {"h1": {"guard_address": "guard.example.com"}},
        "gateway": {"admin_uri": "https://kong.example.com", "mutual_tls": MUTUAL_TLS},
    }
    assert environment(**good).topology == "central"
    with pytest.raises(ValidationError, match=problem):
        environment(**{**good, **changes})


@pytest.mark.parametrize(
    "posture",
    [
        {"existing": "11111111-2222-3333-4444-555555555555"},
        {"type": "firewall", "platforms": ["mac"], "enabled": True},
        {"type": "os_version", "platforms": ["windows"], "version": "10.0.1", "operator": ">="},
        {"type": "file", "platforms": ["linux"], "path": "/x", "exists": True},
        {"type": "domain_joined", "platforms": ["windows"], "domain": "corp.example.com"},
    ],
)
def test_a_posture_rule_of_each_kind(posture: dict[str, Any]) -> None:
    assert environment(posture={"rule": posture}).posture["rule"]


@pytest.mark.parametrize(
    "posture",
    [
        {},
        {"existing": "11111111-2222-3333-4444-555555555555", "type": "firewall"},
        {"existing": "11111111-2222-3333-4444-555555555555", "enabled": True},
        {"type": "firewall", "enabled": True},
        {"type": "firewall", "platforms": ["mac"]},
        {"type": "firewall", "platforms": ["mac"], "version": "1"},
        {"type": "warp", "platforms": ["mac"]},
    ],
)
def test_a_posture_rule_that_checks_nothing_certain_is_refused(posture: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        environment(posture={"rule": posture})


def test_a_posture_rule_written_out_whole_reads_back_equal() -> None:
    rule = Posture.model_validate({"type": "firewall", "platforms": ["mac"], "enabled": True})
    assert Posture.model_validate(rule.dump()) == rule
