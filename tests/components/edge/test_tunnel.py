"""Ingress of a tunnel: every name checked, everything else refused."""

from __future__ import annotations

import base64
from io import StringIO
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.edge.tunnel import config_yml, ingress_rules, is_tunnel_secret
from model.server import Server
from model.stacks import EnvironmentStack

AUDIENCES = {"hosted.example.com": "a" * 64, "hosted-claude.example.com": "b" * 64}
TUNNEL = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def manifest(environment: EnvironmentStack) -> Server:
    return environment.servers["hosted"].manifest


@pytest.fixture
def rules(manifest: Server) -> list[dict[str, Any]]:
    return ingress_rules(manifest, "example", 8010, AUDIENCES)


def test_every_ingress_rule_requires_access(rules: list[dict[str, Any]]) -> None:
    assert [rule["hostname"] for rule in rules[:-1]] == list(AUDIENCES)
    for rule in rules[:-1]:
        assert rule["origin_request"]["access"] == {
            "required": True,
            "team_name": "example",
            "aud_tags": [AUDIENCES[rule["hostname"]]],
        }


def test_last_rule_is_404(rules: list[dict[str, Any]]) -> None:
    assert rules[-1] == {"service": "http_status:404"}


def test_a_service_has_no_path_and_stays_on_loopback(rules: list[dict[str, Any]]) -> None:
    assert {rule["service"] for rule in rules[:-1]} == {"http://127.0.0.1:8010"}


def test_a_host_name_without_audience_is_an_error(manifest: Server) -> None:
    with pytest.raises(KeyError):
        ingress_rules(manifest, "example", 8010, {"hosted.example.com": "a" * 64})


def test_config_yml_has_the_names_cloudflared_reads(manifest: Server) -> None:
    text = config_yml(manifest, "example", 8010, AUDIENCES, TUNNEL, "/etc/ringwall/c.json")
    assert YAML(typ="safe", pure=True).load(StringIO(text)) == {
        "tunnel": TUNNEL,
        "credentials-file": "/etc/ringwall/c.json",
        "ingress": [
            *(
                {
                    "hostname": hostname,
                    "service": "http://127.0.0.1:8010",
                    "originRequest": {
                        "connectTimeout": "5s",
                        "httpHostHeader": hostname,
                        "access": {"required": True, "teamName": "example", "audTag": [audience]},
                    },
                }
                for hostname, audience in AUDIENCES.items()
            ),
            {"service": "http_status:404"},
        ],
    }


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (base64.b64encode(b"x" * 32).decode(), True),
        (base64.b64encode(b"x" * 31).decode(), False),
        ("x" * 64 + "!", False),
        ("ä" * 64, False),
        ("", False),
    ],
)
def test_a_tunnel_secret_is_base64_of_32_bytes_or_more(value: str, accepted: bool) -> None:
    assert is_tunnel_secret(value) is accepted
