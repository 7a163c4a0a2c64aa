"""Every kind of object that Ringwall makes can be looked up and taken over."""

from __future__ import annotations

import pytest

from engine.repair.kinds import SHAPES, Kind, kind_of, named, own_id
from model.errors import InputError
from model.project import Project, load, open_project
from operations.project.imports import import_plan
from plan.graph import Graph
from plan.offline import plan_stack
from tests.support.client_authorities import TestAuthority, add_authorities
from tests.support.logpush import add_logpush
from tests.support.model_routes import FILE as ROUTE_FILE
from tests.support.model_routes import ROUTE
from tests.support.portals import add_portal
from tests.support.projects import ACCOUNT, ZONE, ZONE_STACK, write_project

#: What holds no object: the program's own structure and the engine's own resources.
NO_OBJECT = ("ringwall:", "pulumi:")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = write_project(tmp_path_factory.mktemp("kinds"), every_shape=True)
    (root / "stacks" / "Pulumi.zone.example.yaml").write_text(ZONE_STACK, encoding="utf-8")
    (root / ROUTE_FILE).write_text(ROUTE, encoding="utf-8")
    add_portal(root)
    add_logpush(root)
    add_authorities(root, agents=TestAuthority.made("agents").pem)
    return open_project(root)


@pytest.fixture(scope="module")
def plans(project: Project) -> dict[str, Graph]:
    return {stack: plan_stack(project, load(project, stack)) for stack in project.stacks()}


def test_every_planned_type_is_a_kind_and_every_kind_is_planned(plans: dict[str, Graph]) -> None:
    planned = {
        resource.type
        for graph in plans.values()
        for resource in graph.resources
        if not resource.type.startswith(NO_OBJECT)
    }
    assert {token for token in planned if kind_of(token) is None} == set()
    assert {shape.token for shape in SHAPES.values()} == planned
    assert set(SHAPES) == set(Kind)


def test_every_planned_object_is_named_by_kind_and_name(plans: dict[str, Graph]) -> None:
    for graph in plans.values():
        for resource in graph.resources:
            if (kind := kind_of(resource.type)) is not None:
                assert not named(kind, resource.inputs).endswith("None"), resource.name


@pytest.mark.parametrize(
    ("stack", "kind", "name", "wanted"),
    [
        ("dev.one", Kind.tunnel, None, f"{ACCOUNT}/x"),
        ("dev.one", Kind.ingress, None, f"{ACCOUNT}/x"),
        ("dev.one", Kind.application, None, f"accounts/{ACCOUNT}/x"),
        ("dev.one", Kind.record, None, f"{ZONE}/x"),
        ("dev", Kind.policy, "dev-agent-ci", f"{ACCOUNT}/x"),
        ("dev", Kind.group, "dev-countries-NO-SE", f"accounts/{ACCOUNT}/x"),
        ("dev", Kind.service_token, "dev-ci", f"accounts/{ACCOUNT}/x"),
        ("dev", Kind.posture, None, f"{ACCOUNT}/x"),
        ("dev", Kind.authority, None, f"accounts/{ACCOUNT}/x"),
        ("zone.example", Kind.ruleset, None, f"zones/{ZONE}/x"),
        ("dev.one", Kind.service, None, "x"),
        ("dev.one", Kind.route, None, "x"),
        ("dev.one", Kind.plugin, "jwt", "x"),
        ("dev.one", Kind.upstream, None, "x"),
        ("dev", Kind.consumer, "dev-issuer-access", "x"),
    ],
)
def test_an_id_is_completed_to_the_form_the_plugin_imports(
    plans: dict[str, Graph], stack: str, kind: Kind, name: str | None, wanted: str
) -> None:
    found = import_plan(plans[stack], kind, "x", name=name)
    assert (found.id, found.type) == (wanted, SHAPES[kind].token)
    assert found.urn in found.targets


def test_what_has_two_ids_is_asked_for_both(plans: dict[str, Graph]) -> None:
    assert import_plan(plans["dev.one"], Kind.target, "u/t").id == "u/t"
    with pytest.raises(InputError, match="a target is imported by two ids, got t; give UPSTREAM/TARGET"):
        import_plan(plans["dev.one"], Kind.target, "t")
    assert import_plan(plans["dev"], Kind.acl, "a|c", name="dev-gateway-issuer-access-group").id == "a|c"
    with pytest.raises(InputError, match=r"an? acl is imported by two ids, got a; give ACL\|CONSUMER"):
        import_plan(plans["dev"], Kind.acl, "a", name="dev-gateway-issuer-access-group")


def test_several_of_a_kind_are_told_apart_by_name_or_host_name(plans: dict[str, Graph]) -> None:
    with pytest.raises(InputError, match="name one with --name or --hostname"):
        import_plan(plans["dev.hosted"], Kind.application, "x")
    by_host = import_plan(plans["dev.hosted"], Kind.application, "x", hostname="hosted-claude.example.com")
    assert by_host.name == "hosted-edge-application-claude-ai"
    assert import_plan(plans["dev.hosted"], Kind.application, "x", name="dev-hosted").name == "hosted-edge-application"


def test_an_own_id_is_found_in_every_form() -> None:
    assert [own_id(one) for one in ("t", "a/t", "accounts/a/t", "t|c")] == ["t", "t", "t", "t"]
