"""Who is granted what: nothing without a grant, and never more than the grants that name the caller."""

from __future__ import annotations

from typing import Any

import pytest

from guard.decide.grants import Grants, Rights, in_group
from guard.identity.principal import Principal
from model.guard_config import GuardConfig, IdpClaim
from model.tool_lock import LockedServer, ToolLock

KARI = Principal("person:kari", "person", email="Kari@Example.com")
OLA = Principal("person:ola", "person", email="ola@sub.example.com")
CI = Principal("agent:e3678.access", "agent", agent="ci")
ID_SCHEMA = {"type": "object", "properties": {"id": {"type": "integer", "maximum": 10}}, "required": ["id"]}


def grants(*compiled: dict[str, Any], limits: dict[str, Any] | None = None) -> Grants:
    return Grants(
        GuardConfig.model_validate(
            {
                "version": 1,
                "server": {"environment": "dev", "name": "one"},
                "listen": {"port": 9010},
                "path": "/mcp",
                "origin": {"url": "http://127.0.0.1:3000/mcp"},
                "identity": {"demo": {"principal": "person:demo"}},
                "grants": list(compiled),
                "limits": limits or {},
                "guard": {},
                "audit": {"path": "/var/log/ringwall/one.jsonl"},
                "tool_lock_sha256": "sha256:" + "0" * 64,
                "tool_lock": ToolLock(server=LockedServer()),
            }
        )
    )


def tools(rights: Rights) -> list[str]:
    return sorted(rights.tools)


def test_without_a_grant_there_is_nothing() -> None:
    rights = grants({"to": {"agents": ["ci"]}, "tools": ["get"], "prompts": ["p"], "resources": ["*"]}).rights(KARI)
    assert (tools(rights), rights.prompts) == ([], frozenset())
    assert not rights.resource("file:///docs/a")
    assert not rights.template("file:///docs/{name}")


@pytest.mark.parametrize(
    ("principals", "names"),
    [
        ({"all": True}, {"kari", "ola", "ci", "hosted"}),
        ({"emails": ["kari@example.com"]}, {"kari"}),
        ({"domains": ["example.com"]}, {"kari"}),
        ({"domains": ["sub.example.com"]}, {"ola"}),
        ({"agents": ["ci"]}, {"ci"}),
        ({"agents": ["other"]}, set()),
        ({"hosted_clients": ["claude"]}, {"hosted"}),
        ({"hosted_clients": ["other"]}, set()),
        ({"emails": ["kari@example.com"], "hosted_clients": ["claude"]}, {"kari", "hosted"}),
    ],
)
def test_grant_applies_to_those_it_names(principals: dict[str, Any], names: set[str]) -> None:
    callers = {
        "kari": KARI,
        "ola": OLA,
        "ci": CI,
        "hosted": Principal("person:kari", "person", email="kari@example.com", hosted_client="claude"),
        # What an agent calls itself elsewhere gives it nothing.
        "mailing agent": Principal("agent:x", "agent", agent="x", email="kari@example.com"),
        "nameless": Principal("person:x", "person", email="example.com"),
    }
    if "all" in principals:
        names |= {"mailing agent", "nameless"}
    compiled = grants({"to": principals, "tools": ["get"]})
    assert {name for name, caller in callers.items() if "get" in compiled.rights(caller).tools} == names


@pytest.mark.parametrize(
    ("claims", "claim", "member"),
    [
        ({"groups": ["Finance", "Staff"]}, None, True),
        ({"groups": "Finance"}, None, True),
        ({"groups": [{"id": "17", "name": "Finance"}]}, None, True),
        ({"groups": [{"id": "Finance"}]}, None, True),
        ({"groups": [{"email": "Finance"}]}, None, True),
        ({"custom": {"groups": ["Finance"]}}, None, True),
        ({"oidc_fields": {"roles": ["Finance"]}}, "roles", True),
        ({"saml_attributes": {"roles": "Finance"}}, "roles", True),
        ({"https://example.com/roles": ["Finance"]}, "https://example.com/roles", True),
        ({"groups": ["finance"]}, None, False),
        ({"groups": ["Finance-Readers"]}, None, False),
        ({"groups": "Finance,Staff"}, None, False),
        ({"groups": {"Finance": True}}, None, False),
        ({"groups": [["Finance"], 7, None]}, None, False),
        ({"roles": ["Finance"]}, None, False),
        ({"groups": ["Finance"]}, "roles", False),
        ({"custom": "Finance"}, None, False),
    ],
)
def test_groups_are_read_where_providers_put_them(claims: dict[str, Any], claim: str | None, member: bool) -> None:
    assert in_group(claims, IdpClaim(provider="okta", group="Finance", claim=claim)) is member
    compiled = grants(
        {"to": {"idp_groups": [{"provider": "okta", "group": "Finance", "claim": claim}]}, "tools": ["get"]}
    )
    assert ("get" in compiled.rights(Principal("person:x", "person", claims=claims)).tools) is member


def test_rights_of_one_principal_are_not_anothers_of_the_same_id() -> None:
    compiled = grants({"to": {"idp_groups": [{"provider": "okta", "group": "Finance"}]}, "tools": ["get"]})
    member = Principal("person:x", "person", claims={"groups": ["Finance"]})
    former = Principal("person:x", "person", claims={"groups": []})
    assert tools(compiled.rights(member)) == ["get"]
    assert tools(compiled.rights(former)) == []
    assert tools(compiled.rights(member)) == ["get"]
    assert compiled.rights(member) is compiled.rights(member)


def test_several_grants_add_up() -> None:
    rights = grants(
        {"to": {"all": True}, "tools": ["get"], "prompts": ["p"]},
        {"to": {"emails": ["kari@example.com"]}, "tools": ["create"], "prompts": ["q"], "resources": ["docs://a"]},
    ).rights(KARI)
    assert (tools(rights), rights.prompts) == (["create", "get"], frozenset({"p", "q"}))
    assert rights.resource("docs://a")


def test_arguments_must_meet_one_granting_constraint() -> None:
    low = {"to": {"all": True}, "tools": ["get"], "arguments": {"get": ID_SCHEMA}}
    word = {"type": "object", "properties": {"id": {"const": "x"}}, "required": ["id"]}
    worded = {"to": {"domains": ["example.com"]}, "tools": ["get"], "arguments": {"get": word}}
    only, combined = grants(low).rights(KARI).tools["get"], grants(low, worded).rights(KARI).tools["get"]
    assert only.check({"id": 10}) is None
    assert only.check({"id": 11}) == "/id: must be at most 10"
    assert only.check({"id": "x"}) == "/id: must be a whole number, is a string"
    assert combined.check({"id": "x"}) is None
    assert combined.check({"id": 10}) is None
    assert combined.check({"id": "y"}) is not None


def test_grant_without_constraint_imposes_none_but_only_for_its_own_tools() -> None:
    low = {"to": {"all": True}, "tools": ["get"], "arguments": {"get": ID_SCHEMA}}
    free = {"to": {"domains": ["example.com"]}, "tools": ["get"]}
    elsewhere = {"to": {"domains": ["example.com"]}, "tools": ["list"]}
    assert grants(low, free).rights(KARI).tools["get"].check({}) is None
    assert grants(low, elsewhere).rights(KARI).tools["get"].check({}) is not None
    assert grants(low, free).rights(OLA).tools["get"].check({}) is not None


@pytest.mark.parametrize(
    ("granted", "server", "expected"),
    [
        ([None], None, None),
        ([5], None, 5),
        ([5, 9], None, 9),
        ([5, None], None, None),
        ([None], 7, 7),
        ([5], 7, 5),
        ([5, 9], 7, 7),
    ],
)
def test_most_generous_grant_counts_but_never_beyond_the_servers_limit(
    granted: list[int | None], server: int | None, expected: int | None
) -> None:
    compiled = [{"to": {"all": True}, "tools": ["get"], "limits": {"requests_per_minute": rate}} for rate in granted]
    limits = {"tools": {"get": {"requests_per_minute": server}}} if server else {}
    right = grants(*compiled, limits=limits).rights(KARI).tools["get"]
    assert (right.requests_per_minute, right.tokens_per_minute) == (expected, None)


def test_constraint_that_would_not_be_enforced_is_refused_at_load() -> None:
    for schema in ({"patern": "x"}, {"$ref": "https://example.com/x"}, {"format": "uri"}, {"pattern": "(?<=a)b"}):
        with pytest.raises(ValueError, match=r"^grants\.0\.arguments\.get: "):
            grants({"to": {"all": True}, "tools": ["get"], "arguments": {"get": schema}})


@pytest.mark.parametrize(
    ("uri", "readable"),
    [
        ("file:///docs/a/b.txt", True),
        ("file:///docs/caf%C3%A9", True),
        ("file:///docs/a?x=1", True),
        ("file:///docs/..hidden", True),
        ("FILE:///docs/a", False),
        ("file:///Docs/a", False),
        ("file:///docsx", False),
        ("file:///docs/../etc/passwd", False),
        ("file:///docs/./a", False),
        ("file:///docs/a/..", False),
        ("file:///docs/..;/etc", False),
        ("file:///docs/a?/../../etc", False),
        ("file:///docs/a#/../b", False),
        ("file:///docs/%2e%2e/etc", False),
        ("file:///docs/%2E./etc", False),
        ("file:///docs/..%2fetc", False),
        ("file:///docs/a%5C..%5Cb", False),
        ("file:///docs/%252e%252e/etc", False),
        ("file:///docs/%c0%ae%c0%ae/etc", False),
        ("file:///docs/%EF%BC%8E%EF%BC%8E/etc", False),
        ("file:///docs/a%00.txt", False),
        ("file:///docs/a%", False),
        ("file:///docs/a%zz", False),
        ("file:///docs//etc/passwd", False),
        ("file:///docs/\\..\\etc", False),
        ("file:///docs/a\n", False),
        ("file:///docs/a b", False),
        ("file:///docs/\uff0e\uff0e/etc", False),
        ("file:///docs/" + "a" * 2048, False),
        ("https://user@api.example.com/a", False),
        ("https://api.example.com/a", True),
        ("https://api.example.com@evil.example/a", False),
        ("docs/a", False),
        ("", False),
    ],
)
def test_resource_is_readable_only_where_no_reader_can_take_it_for_another(uri: str, readable: bool) -> None:
    patterns = ["file:///docs/*", "https://api.example.com*", "https://user*"]
    rights = grants({"to": {"all": True}, "resources": patterns}).rights(KARI)
    assert rights.resource(uri) is readable


def test_resource_patterns_know_star_and_question_mark_only() -> None:
    rights = grants({"to": {"all": True}, "resources": ["a://x.y", "b://?", "t://{id}"]}).rights(KARI)
    for uri, readable in (("a://x.y", True), ("a://xzy", False), ("b://1", True), ("b://12", False), ("c://x", False)):
        assert rights.resource(uri) is readable
    assert rights.template("t://{id}")
    assert not rights.template("t://{other}")
    assert not rights.resource("t://{id}")


def test_the_groups_that_decided_are_those_by_which_a_grant_of_this_very_thing_applies() -> None:
    def to(*groups: str, **others: Any) -> dict[str, Any]:
        return {"idp_groups": [{"provider": "okta", "group": group} for group in groups], **others}

    compiled = grants(
        {"to": to("support", "desk"), "tools": ["get"], "prompts": ["brief"]},
        {"to": to("admins"), "tools": ["get", "drop"], "resources": ["file:///docs/*"]},
        {"to": {"all": True}, "tools": ["list"]},
        {"to": to("never", emails=["kari@example.com"]), "tools": ["list"]},
        {"to": {"hosted_clients": ["claude"], **to("support")}, "tools": ["get"]},
    )
    claims = {"custom": {"groups": ["support", "admins", "chess"]}}
    kari = Principal("person:kari", "person", email="kari@example.com", claims=claims)
    named = {
        ("tools", "get"): ["admins", "support"],
        ("tools", "drop"): ["admins"],
        ("tools", "list"): [],
        ("prompts", "brief"): ["support"],
        ("resources", "file:///docs/a"): ["admins"],
        ("resources", "file:///other"): [],
        (None, ""): ["admins", "support"],
    }
    assert {thing: compiled.deciding_groups(kari, *thing) for thing in named} == named
    hosted = Principal("person:kari", "person", email="kari@example.com", hosted_client="claude", claims=claims)
    assert compiled.deciding_groups(hosted, "tools", "get") == []
    assert compiled.deciding_groups(CI, "tools", "get") == []
