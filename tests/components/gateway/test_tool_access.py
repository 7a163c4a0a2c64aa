"""Who may call which tool at Kong: what the guard decides by the same grants, and nothing that one claim cannot say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.gateway.licensed.mcp_proxy import NOBODY
from components.gateway.plugins import require_protection, server_plugins
from components.guard.settings import build_guard_config
from guard.decide.grants import Grants
from guard.identity.principal import Principal
from model.errors import InputError
from model.stacks import ServerStack
from tests.support import kong_published_schema as published
from tests.support.kong_manifests import AUDIENCES, OPAQUE, environment, external, stack
from tests.support.projects import tool

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
GROUPS = {
    "engineers": {"idp_groups": [{"provider": "okta", "group": "Engineers"}, {"provider": "okta", "group": "On call"}]},
    "board": {"emails": [ADA], "idp_groups": [{"provider": "okta", "group": "Board"}]},
    "staff": {"domains": ["example.com"]},
    "roles": {"idp_groups": [{"provider": "okta", "group": "admin", "claim": "roles"}]},
}
PROVIDERS = {"okta": {"id": "11111111-2222-3333-4444-555555555555", "type": "oidc"}}


def server(
    claim: str | None, *grants: dict[str, Any], edition: str = "ai", case: str = "", **changes: Any
) -> ServerStack:
    version = "3.9.3" if edition == "oss" else "3.15.0.4"
    more: dict[str, Any] = OPAQUE if case == "opaque" else {}
    gateway = {"edition": edition, "version": version}
    settings = environment(gateway=gateway, groups=GROUPS, identity_providers=PROVIDERS, **more)
    manifest = external(oauth={**external().oauth.dump(), "tool_claim": claim}, grants=list(grants), **changes)
    made = stack(settings, manifest)
    lock = made.lock.model_copy(update={"tools": (tool("list", "read"), tool("get", "read"), tool("drop", "write"))})
    return replace(made, lock=lock)


def config_of(server: ServerStack) -> dict[str, Any]:
    (spec,) = [spec for spec in server_plugins(server) if spec.name == "ai-mcp-proxy"]
    return spec.config


def kong_admits(config: dict[str, Any], subjects: set[str], name: str) -> bool:
    """As Kong's page has it: a tool's own lists take the place of the default ones; deny first, then allow."""
    lists = next((entry["acl"] for entry in config["tools"] if entry["name"] == name), config["default_acl"][0])
    if subjects & set(lists["deny"] or ()):
        return False
    return not lists["allow"] or bool(subjects & set(lists["allow"]))


PEOPLE = (
    {"to": {"emails": [ADA]}, "tools": ["*"], "read_only": False},
    {"to": {"emails": [ADA, BOB]}, "tools": ["list"]},
    {"to": {"all": True}, "prompts": ["help"]},
)
MEMBERS = ({"to": {"groups": ["engineers"]}, "tools": ["list", "drop"]},)


@pytest.mark.parametrize(
    ("claim", "grants", "subject"),
    [("email", PEOPLE, subject) for subject in (ADA, BOB, EVE)]
    + [("groups", MEMBERS, subject) for subject in ("Engineers", "On call", "Sales")]
    + [("email", (), ADA)],
)
def test_kong_admits_whom_the_guard_admits(claim: str, grants: tuple[dict[str, Any], ...], subject: str) -> None:
    made = server(claim, *grants)
    config = config_of(made)
    if claim == "email":
        caller = Principal("person:x", "person", email=subject)
    else:
        caller = Principal("person:x", "person", email="x@example.org", claims={"groups": [subject]})
    rights = Grants(build_guard_config(made, {"github.example.com": AUDIENCES["github.example.com"]}, {})).rights(
        caller
    )
    for name in ("list", "get", "drop"):
        assert kong_admits(config, {subject}, name) is (name in rights.tools), name
    assert published.plugin_problems("ai-mcp-proxy", config) == []


def test_a_tool_that_is_not_in_the_lock_is_open_to_no_stranger() -> None:
    config = config_of(server("email", *PEOPLE))
    assert not kong_admits(config, {EVE}, "planted")
    assert config["default_acl"] == [{"scope": "tools", "allow": [ADA, BOB], "deny": None}]


@pytest.mark.parametrize("changes", [{}, {"lockdown": {"since": "2026-11-01T00:00:00Z", "reason": "x"}}])
def test_a_list_of_nobody_is_written_and_never_left_out(changes: dict[str, Any]) -> None:
    config = config_of(server("email", *(PEOPLE if changes else ()), **changes))
    assert {tuple(entry["acl"]["allow"]) for entry in config["tools"]} == {(NOBODY,)}
    assert config["default_acl"][0]["allow"] == [NOBODY]


@pytest.mark.parametrize(
    ("claim", "to", "what"),
    [
        ("email", {"all": True}, "all of a grant"),
        ("email", {"domains": ["example.com"]}, "domains of a grant"),
        ("email", {"groups": ["staff"]}, "the group staff"),
        ("email", {"groups": ["board"]}, "the group board"),
        ("groups", {"emails": [ADA]}, "emails of a grant"),
        ("groups", {"groups": ["board"]}, "the group board"),
        ("groups", {"groups": ["roles"]}, "the group roles"),
    ],
)
def test_whom_the_claim_does_not_name_is_an_error_at_the_grant(claim: str, to: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=f"the claim {claim} does not say whom {what} means") as refused:
        server_plugins(server(claim, {"to": {"emails": [ADA]}, "prompts": ["help"]}, {"to": to, "tools": ["list"]}))
    assert refused.value.key == "grants[1].to"


def test_a_claim_of_tokens_that_are_no_jwts_is_an_error() -> None:
    with pytest.raises(InputError, match="the tokens of keycloak are none") as refused:
        server_plugins(server("email", case="opaque"))
    assert refused.value.key == "oauth.tool_claim"


@pytest.mark.parametrize("edition", ["oss", "enterprise"])
def test_an_edition_without_it_says_which_has_it(edition: str) -> None:
    with pytest.raises(InputError, match="cannot hold tool calls to the grants at the gateway") as refused:
        server_plugins(server("email", edition=edition))
    assert (refused.value.key, "edition ai 3.15" in str(refused.value.remedy)) == ("oauth.tool_claim", True)


def test_a_route_that_lost_it_is_refused() -> None:
    made = server("email", *PEOPLE)
    specs = server_plugins(made)
    with pytest.raises(InputError, match="a route without"):
        require_protection(made, [spec for spec in specs if spec.name != "ai-mcp-proxy"])


def test_without_the_claim_nothing_changes() -> None:
    assert "ai-mcp-proxy" not in {spec.name for spec in server_plugins(server(None))}
