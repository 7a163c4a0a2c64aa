"""Which tokens of Access the identity check takes, and whom they name; run on LuaJIT with only what Kong's sandbox has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.gateway import lua
from model.tokens import CLOCK_LEEWAY
from tests.support.identity_checks import (
    ACCESS,
    AGENT,
    AUDIENCES,
    CLOCK,
    PERSON,
    TEAM,
    TOKEN,
    access,
    external,
    without,
)
from tests.support.kong_lua_runtime import Kong, jwt

# Who the principal is


def test_a_person_is_named_by_sub() -> None:
    outcome = access()
    assert outcome.principal == "person:7335d417"
    assert outcome.request_headers["x-ringwall-assertion"] == f"Bearer {jwt(PERSON)}"


@pytest.mark.parametrize("claims", [AGENT, without(AGENT, "sub")])
def test_an_agent_is_named_by_common_name(claims: dict[str, Any]) -> None:
    assert access(claims).principal == "agent:e367.access"


@pytest.mark.parametrize(
    "claims",
    [
        PERSON | {"common_name": "e367.access"},
        PERSON | {"common_name": ""},
        PERSON | {"common_name": None},
        without(PERSON, "sub"),
        PERSON | {"sub": ""},
        PERSON | {"sub": None},
        PERSON | {"sub": 7},
        PERSON | {"sub": ["7335d417"]},
        PERSON | {"sub": {"sub": "7335d417"}},
        AGENT | {"common_name": ""},
        AGENT | {"sub": None},
        AGENT | {"common_name": 7},
        {"custom": PERSON},
        without(PERSON, "sub") | {"custom": {"sub": "7335d417", "common_name": "x"}},
    ],
)
def test_a_missing_or_ambiguous_principal_is_refused(claims: dict[str, Any]) -> None:
    assert access(claims).status == 401


@pytest.mark.parametrize("name", ["a b", "a\nb", "a\r\nx-evil: 1", "a\x00", "ä", "\x7f", "a" * 256])
def test_a_name_with_control_or_other_characters_is_refused(name: str) -> None:
    assert access(PERSON | {"sub": name}).status == 401
    assert access(AGENT | {"common_name": name}).status == 401


# For whom the token is


@pytest.mark.parametrize(
    "claims",
    [
        PERSON | {"iss": "https://evil.cloudflareaccess.com"},
        PERSON | {"iss": [TEAM]},
        PERSON | {"iss": TEAM + "/"},
        without(PERSON, "iss"),
        PERSON | {"aud": ["aud-other"]},
        PERSON | {"aud": "aud-other"},
        PERSON | {"aud": []},
        PERSON | {"aud": {"0": "aud-github", "1": "aud-github"}},
        PERSON | {"aud": [["aud-github"]]},
        PERSON | {"aud": None},
        PERSON | {"aud": True},
        without(PERSON, "aud"),
        without(PERSON, "aud", "iss") | {"custom": {"aud": ["aud-github"], "iss": TEAM}},
    ],
)
def test_a_token_for_somebody_else_is_refused(claims: dict[str, Any]) -> None:
    assert access(claims).status == 401


@pytest.mark.parametrize("audience", ["aud-github", ["aud-other", "aud-github"], [None, "aud-github"]])
def test_aud_may_be_a_text_or_a_list(audience: Any) -> None:
    assert access(PERSON | {"aud": audience}).principal == "person:7335d417"


def test_each_host_name_has_its_own_audience() -> None:
    assert access(host="claude.example.com").status == 401
    claims = PERSON | {"aud": ["aud-claude"]}
    assert access(claims, host="claude.example.com").principal == "person:7335d417"
    assert access(claims).status == 401


@pytest.mark.parametrize("host", ["other.example.com", "github.example.com.", "", "127.0.0.1"])
def test_an_unknown_host_is_refused(host: str) -> None:
    assert access(host=host).status == 421


# What a token must look like


def test_a_payload_kid_is_refused() -> None:
    assert access(PERSON | {"kid": "other"}).status == 401
    assert access(PERSON | {"kid": None}).status == 401


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "k1"},
        {"alg": "HS256", "kid": "k1"},
        {"alg": "rs256", "kid": "k1"},
        {"alg": "RS256"},
        {"alg": "RS256", "kid": ""},
        {"alg": "RS256", "kid": 1},
        {"alg": "RS256", "kid": "k1", "crit": ["b64"]},
        {"kid": "k1"},
        "[]",
        "not json",
    ],
)
def test_a_header_other_than_rs256_with_a_kid_is_refused(header: Any) -> None:
    assert access(header=header).status == 401


@pytest.mark.parametrize(
    "payload", ["", "null", "7", '"text"', "[]", '["iss"]', "{", '{"iss":', "true", "{}", "\x00", "[" * 2000]
)
def test_a_payload_that_is_no_claim_set_is_refused(payload: str) -> None:
    assert access(payload).status == 401


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "..",
        f"Bearer {jwt(PERSON)}",
        jwt(PERSON) + ", " + jwt(PERSON),
        jwt(PERSON) + " ",
        jwt(PERSON) + "\n",
        jwt(PERSON).rsplit(".", 1)[0] + ".",
        jwt(PERSON).replace(".", "=.", 1),
        "A" + jwt(PERSON),
        "." + jwt(PERSON),
    ],
)
def test_a_malformed_token_is_refused(token: str) -> None:
    assert Kong(headers={"cf-access-jwt-assertion": token}).run(ACCESS).status == 401


def test_an_oversize_token_is_refused() -> None:
    assert access(PERSON | {"pad": "x" * lua.MAX_TOKEN}).status == 401


@pytest.mark.parametrize(
    "times",
    [
        {"exp": CLOCK},
        {"exp": CLOCK - 1},
        {"exp": str(CLOCK + 600)},
        {"exp": None},
        {"exp": float("nan")},
        {"exp": 1e18},
        {"exp": True},
        {"iat": None},
        {"iat": str(CLOCK)},
        {"iat": CLOCK + CLOCK_LEEWAY + 1},
        {"iat": CLOCK + 600, "exp": CLOCK + 600},
        {"nbf": CLOCK + CLOCK_LEEWAY + 1},
        {"nbf": "0"},
        {"nbf": None},
        {"nbf": float("nan")},
    ],
)
def test_a_token_out_of_its_time_is_refused(times: dict[str, Any]) -> None:
    assert access(PERSON | times).status == 401
    assert external(TOKEN | times).status == 401
    assert external(assertion=AGENT | times).status == 401


def test_a_token_a_little_ahead_of_this_clock_is_taken() -> None:
    ahead = {"iat": CLOCK + CLOCK_LEEWAY, "nbf": CLOCK + CLOCK_LEEWAY}
    assert access(PERSON | ahead).principal == "person:7335d417"
    assert external(TOKEN | ahead).status is None


def test_a_service_token_has_no_nbf_and_a_person_must() -> None:
    assert "nbf" not in AGENT
    assert access(AGENT).principal == "agent:e367.access"
    assert access(without(PERSON, "nbf")).status == 401


def test_a_session_token_of_access_opens_nothing() -> None:
    assert access(PERSON | {"type": "org"}).status == 401
    assert access(without(PERSON, "type")).status == 401


def test_a_token_for_two_of_a_servers_names_opens_neither() -> None:
    for host in AUDIENCES:
        assert access(PERSON | {"aud": ["aud-github", "aud-claude"]}, host=host).status == 401
    assert access(PERSON | {"aud": ["aud-github", "of something else"]}).status is None


def test_a_person_is_not_named_without_an_email_and_an_agent_has_none() -> None:
    assert access(without(PERSON, "email")).status == 401
    assert access(PERSON | {"email": ""}).status == 401
    assert access(without(PERSON, "email") | {"custom": {"email": "ann@example.com"}}).status == 401
    assert access(AGENT | {"email": "ann@example.com"}).status == 401


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"])
def test_a_token_that_brings_its_own_key_is_refused(name: str) -> None:
    header = {"alg": "RS256", "kid": "k1", "typ": "JWT", name: None}
    assert access(PERSON, header=header).status == 401


@pytest.mark.parametrize(("typ", "accepted"), [("JWT", True), ("at+jwt", True), ("logout+jwt", False), (7, False)])
def test_only_access_tokens_are_taken(typ: Any, accepted: bool) -> None:
    header = {"alg": "RS256", "kid": "k1", "typ": typ}
    assert (access(PERSON, header=header).status is None) is accepted
    assert (external(TOKEN, header=header).status is None) is accepted


def test_a_sender_constrained_bearer_token_is_refused() -> None:
    assert external(TOKEN | {"cnf": {"jkt": "x"}}).status == 401


def test_of_two_equal_claims_the_last_counts_as_for_the_jwt_plugin() -> None:
    body = json.dumps(PERSON)[:-1]
    assert access(body + ', "iss": "https://evil.example.com"}').status == 401
    assert access(body + ', "sub": "other"}').principal == "person:other"
