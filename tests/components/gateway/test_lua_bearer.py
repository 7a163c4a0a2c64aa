"""What the identity check makes of an external issuer's token beside that of Access."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.gateway import lua
from components.gateway.lua import identity_check
from tests.support.identity_checks import (
    AGENT,
    BEARER,
    EXTERNAL,
    IDP,
    METADATA,
    PERSON,
    TEAM,
    TOKEN,
    external,
    without,
)
from tests.support.kong_lua_runtime import Kong, jwt


def test_the_bearer_token_names_the_principal() -> None:
    outcome = external()
    assert outcome.principal == "person:auth0|ann"
    assert outcome.request_headers["x-ringwall-assertion"] == f"Bearer {jwt(TOKEN)}"
    assert outcome.request_headers["authorization"] == f"Bearer {jwt(TOKEN)}"


@pytest.mark.parametrize("header", [None, ["a", "b"]])
def test_a_token_is_asked_for_with_the_way_to_get_one(header: Any) -> None:
    headers = {"cf-access-jwt-assertion": jwt(AGENT)} | ({} if header is None else {"authorization": header})
    outcome = Kong(headers=headers).run(EXTERNAL)
    assert outcome.status == 401
    error = "" if header is None else 'error="invalid_token", '
    assert outcome.response_headers["www-authenticate"] == f'Bearer {error}scope="mcp:use repo", {METADATA}'


@pytest.mark.parametrize(
    "claims",
    [
        TOKEN | {"iss": TEAM},
        TOKEN | {"aud": "https://other.example.com/mcp"},
        TOKEN | {"aud": "aud-github"},
        TOKEN | {"sub": ""},
        TOKEN | {"sub": "a b"},
        TOKEN | {"kid": "k2"},
        without(TOKEN, "exp"),
        AGENT,
        PERSON,
    ],
)
def test_an_access_token_for_somebody_else_is_invalid(claims: dict[str, Any]) -> None:
    outcome = external(claims)
    assert outcome.status == 401
    assert (
        outcome.response_headers["www-authenticate"]
        == f'Bearer error="invalid_token", scope="mcp:use repo", {METADATA}'
    )


@pytest.mark.parametrize("scope", [{"scope": "repo"}, {"scope": ""}, {"scope": "mcp:user repo"}, {"scope": None}])
def test_a_missing_scope_is_403_insufficient_scope(scope: dict[str, Any]) -> None:
    outcome = external(without(TOKEN, "scope") | scope)
    assert outcome.status == 403
    assert (
        outcome.response_headers["www-authenticate"]
        == f'Bearer error="insufficient_scope", scope="mcp:use repo", {METADATA}'
    )


@pytest.mark.parametrize("scope", [{"scp": "repo mcp:use"}, {"scp": ["repo", "mcp:use"]}, {"scope": ["mcp:use repo"]}])
def test_scopes_may_be_in_scp_or_a_list(scope: dict[str, Any]) -> None:
    assert external(without(TOKEN, "scope") | scope).principal == "person:auth0|ann"


@pytest.mark.parametrize(
    "assertion",
    [
        PERSON | {"aud": ["aud-other"]},
        PERSON | {"iss": IDP},
        PERSON | {"kid": "k"},
        without(PERSON, "sub"),
        without(PERSON, "email"),
        TOKEN,
    ],
)
def test_access_must_be_passed_first(assertion: dict[str, Any]) -> None:
    assert external(assertion=assertion).status == 401


def test_a_bearer_token_alone_is_refused() -> None:
    assert Kong(headers={"authorization": f"Bearer {jwt(TOKEN)}"}).run(EXTERNAL).status == 401


def test_one_person_in_both_tokens_passes() -> None:
    assert external(assertion=PERSON).principal == "person:auth0|ann"


@pytest.mark.parametrize("email", [{"email": "bob@example.com"}, {"email": None}, {"email_verified": False}])
def test_two_different_persons_are_refused(email: dict[str, Any]) -> None:
    assert external(TOKEN | email, assertion=PERSON).status == 403


def test_a_token_without_an_email_cannot_prove_it_is_the_admitted_person() -> None:
    assert external(without(TOKEN, "email"), assertion=PERSON).status == 403
    assert external(without(TOKEN, "email"), assertion=AGENT).principal == "person:auth0|ann"


@pytest.mark.parametrize(
    ("status", "header", "expected"),
    [
        (401, "Bearer", f'Bearer error="invalid_token", scope="mcp:use repo", {METADATA}'),
        (401, None, f'Bearer error="invalid_token", scope="mcp:use repo", {METADATA}'),
        (401, f'Bearer scope="x", {METADATA}', f'Bearer scope="x", {METADATA}'),
        (403, 'Bearer error="insufficient_scope"', 'Bearer error="insufficient_scope"'),
        (200, None, None),
    ],
)
def test_every_401_says_where_to_get_a_token(status: int, header: str | None, expected: str | None) -> None:
    sent = {} if header is None else {"www-authenticate": header}
    outcome = Kong(status=status, response_headers=sent).run(lua.challenge_on_401(BEARER))
    assert outcome.response_headers.get("www-authenticate") == expected


# A token that nobody can read


def opaque(authorization: Any = "Bearer 2YotnFZFEjr1zCsicMWpAA", *, assertion: Any = PERSON, **headers: Any) -> Any:
    shown = {"authorization": authorization, "cf-access-jwt-assertion": jwt(assertion), **headers}
    source = identity_check(
        access_issuer=TEAM, audiences={"github.example.com": "aud-github"}, bearer=replace(BEARER, opaque=True)
    )
    return Kong(headers=shown).run(source)


def test_an_opaque_token_is_handed_on_and_names_nobody_yet() -> None:
    outcome = opaque(**{"x-ringwall-principal": "person:boss", "X_Ringwall_Assertion": "Bearer other"})
    assert outcome.request_headers["x-ringwall-assertion"] == "Bearer 2YotnFZFEjr1zCsicMWpAA"
    assert outcome.principal is None


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic dXNlcjpwYXNz", "Bearer", "Bearer two words", ["Bearer one", "Bearer two"], "Bearer a,b", "Bearer \x01",
        f"Bearer {'a' * 8000}",
    ],
)  # fmt: skip
def test_what_is_no_single_bearer_token_is_refused(authorization: Any) -> None:
    outcome = opaque(authorization)
    assert outcome.status == 401
    assert outcome.response_headers["www-authenticate"].startswith('Bearer error="invalid_token"')


def test_an_opaque_token_does_not_take_the_place_of_the_access_assertion() -> None:
    assert opaque(assertion=PERSON | {"aud": ["another"]}).status == 401
