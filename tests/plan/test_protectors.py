"""The table of protectors says of every property that a planned stack has what it protects."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.project import load, open_project
from plan.offline import plan_stack
from plan.protectors import PROTECTORS, UNPROTECTIVE, Protects
from tests.support.client_authorities import TestAuthority, add_authorities
from tests.support.model_routes import FILE as ROUTE_FILE
from tests.support.model_routes import ROUTE
from tests.support.portals import add_portal
from tests.support.projects import write_project

CENTRAL = {
    "dev-1: {}": "dev-1: {guard_address: dev-1.example.com}",
    "gateway_port: 8010": "guard_address: dev-2.example.com",
    "admin_uri: http://127.0.0.1:8001": (
        "admin_uri: https://kong.example.com:8444\n"
        "      mutual_tls:\n"
        "        client_certificate_id: 11111111-2222-3333-4444-555555555555\n"
        "        ca_certificate_ids: [22222222-2222-3333-4444-555555555555]"
    ),
}
LOCAL = {"dev-1: {}": "dev-1: {tunnel: local}"}
ZONE = """\
config:
  ringwall:zone:
    version: 1
    cloudflare:
      zone: example.com
      zone_id: "0bf20bf20bf20bf20bf20bf20bf20bf2"
    rules:
      - hostnames: [one.example.com]
        countries: [NO, SE]
"""
CLOSED = "    lockdown: {reason: a test, since: '2026-11-23T03:00:00Z'}\n    guard_port:"


def planned(root: Path, topology: str, changes: dict[str, str]) -> dict[str, set[str]]:
    """Every property that some stack of a project with every shape of server declares, by type."""
    write_project(root, topology=topology, servers=2, every_shape=True)
    (root / "stacks" / "Pulumi.zone.example.yaml").write_text(ZONE, encoding="utf-8")
    if topology != "central":
        (root / ROUTE_FILE).write_text(ROUTE, encoding="utf-8")
    file = root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    add_portal(root)
    add_authorities(root, agents=TestAuthority.made("agents").pem)
    server = root / "stacks" / "Pulumi.dev.two.yaml"
    server.write_text(server.read_text(encoding="utf-8").replace("    guard_port:", CLOSED), encoding="utf-8")
    project = open_project(root)
    properties_by_type: dict[str, set[str]] = {}
    for stack in project.stacks():
        for resource in plan_stack(project, load(project, stack)).resources:
            if resource.custom:
                properties_by_type.setdefault(resource.type, set()).update(resource.inputs)
    return properties_by_type


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    shapes = {"colocated": LOCAL, "hybrid": {}, "central": CENTRAL}
    properties_by_type: dict[str, set[str]] = {}
    for topology, changes in shapes.items():
        for token, properties in planned(tmp_path_factory.mktemp("p"), topology, changes).items():
            properties_by_type.setdefault(token, set()).update(properties)
    return properties_by_type


def test_every_property_of_every_planned_protector_is_classified_and_nothing_else_is(
    declared: dict[str, set[str]],
) -> None:
    protectors = {token: sorted(properties) for token, properties in declared.items() if token not in UNPROTECTIVE}
    assert protectors == {token: sorted(properties) for token, properties in PROTECTORS.items()}
    assert declared.keys() == {*PROTECTORS, *UNPROTECTIVE}


def test_what_protects_nothing_says_why_its_change_opens_nothing() -> None:
    for properties in PROTECTORS.values():
        for name, described in properties.items():
            assert bool(described.reason) is (described.protects is Protects.NOTHING), name
