"""The identity check as a text in Lua: no value leaves its literal, and no input at all makes a principal of itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gateway.lua import identity_check, lua_string
from model.tokens import CLOCK_LEEWAY
from tests.support.identity_checks import (
    ACCESS,
    AGENT,
    AUDIENCES,
    CLOCK,
    CORS,
    EXTERNAL,
    IDP,
    PERSON,
    TEAM,
    access,
    without,
)
from tests.support.kong_lua_runtime import Kong, jwt


def test_without_cjson_safe_nothing_passes() -> None:
    with pytest.raises(Exception, match=r"cjson\.safe"):
        Kong(headers={"cf-access-jwt-assertion": jwt(PERSON)}, cjson=False).run(ACCESS)


@pytest.mark.parametrize("source", [ACCESS, EXTERNAL, CORS])
def test_the_chunk_returns_no_function_for_kong_to_run_instead(source: str) -> None:
    assert access(source=source).returned is None


@pytest.mark.parametrize(
    "value", ['"', "\\", '"]] = x', "]]", "\n", "\x00", "ä€", "';os.exit()--", "@ISSUER@", "%s", "--[["]
)
def test_no_value_ends_its_lua_literal(value: str) -> None:
    returned = Kong().run(f"return {lua_string(value)}").returned
    assert returned.encode("latin-1").decode() == value


@given(st.text())
@settings(max_examples=50)
def test_every_text_survives_as_a_lua_literal(value: str) -> None:
    value = value.encode("utf-8", "replace").decode()
    assert Kong().run(f"return {lua_string(value)}").returned.encode("latin-1").decode() == value


def test_a_hostile_audience_or_host_is_only_a_value() -> None:
    hostile = '"}; do return end --'
    source = identity_check(access_issuer=hostile, audiences={hostile: hostile})
    assert access(source=source).status == 421
    assert access(PERSON | {"iss": hostile, "aud": hostile}, source=source, host=hostile).principal is not None


def test_an_identity_check_without_audiences_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="audience"):
        identity_check(access_issuer=TEAM, audiences={})


_NAMES: st.SearchStrategy[Any] = st.sampled_from(
    ["", "7335d417", "a b", "e367.access", None, 7, [], {"sub": "x"}, "a\n"]
)

_CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.sampled_from([TEAM, TEAM + "/", IDP, None, [TEAM]]),
        "aud": st.sampled_from(["aud-github", ["aud-github"], ["x", "aud-github"], "x", [], None, {"1": "aud-github"}]),
        "sub": _NAMES,
        "common_name": _NAMES,
        "exp": st.sampled_from([CLOCK + 1, CLOCK, None, "x", True]),
        "nbf": st.sampled_from([CLOCK, CLOCK + 9999, None]),
        "iat": st.sampled_from([CLOCK - 60, CLOCK + 600, "x"]),
        "type": st.sampled_from(["app", "org"]),
        "email": st.sampled_from(["ann@example.com", "", 7]),
        "kid": st.sampled_from(["k1", None]),
        "custom": st.just(PERSON),
    },
)

_HEADER = st.one_of(
    st.just({"alg": "RS256", "kid": "k1"}),
    st.fixed_dictionaries({"alg": st.sampled_from(["RS256", "none", "HS256"])}, optional={"kid": st.just("k1")}),
)


@given(
    base=st.sampled_from([PERSON, AGENT, {}]),
    changes=_CLAIMS,
    dropped=st.sets(
        st.sampled_from(["iss", "aud", "sub", "common_name", "exp", "iat", "nbf", "type", "email"]), max_size=1
    ),
    header=_HEADER,
    host=st.sampled_from(["github.example.com", "claude.example.com", "x"]),
    sent=st.dictionaries(st.sampled_from(["upgrade", "x-ringwall-principal", "x-ringwall-assertion"]), st.just("x")),
)
@settings(max_examples=400)
def test_no_input_yields_a_principal_unless_all_conditions_hold(
    base: dict[str, Any],
    changes: dict[str, Any],
    dropped: set[str],
    header: dict[str, Any],
    host: str,
    sent: dict[str, str],
) -> None:
    claims = without(base | changes, *dropped)
    outcome = access(claims, header=header, host=host, headers=sent)

    def name(value: Any) -> bool:
        return isinstance(value, str) and len(value) > 0 and all("!" <= character <= "~" for character in value)

    audience, aud, absent = AUDIENCES.get(host), claims.get("aud"), object()
    person = (
        name(claims.get("sub"))
        and "common_name" not in claims
        and isinstance(claims.get("email"), str)
        and claims["email"] != ""
        and "nbf" in claims
    )
    agent = name(claims.get("common_name")) and claims.get("sub", absent) in ("", absent) and "email" not in claims
    holds = (
        "upgrade" not in sent
        and header["alg"] == "RS256"
        and "kid" in header
        and "kid" not in claims
        and claims.get("iss") == TEAM
        and audience is not None
        and (aud == audience or (isinstance(aud, list) and audience in aud))
        and type(claims.get("exp")) is int
        and claims["exp"] > CLOCK
        and type(claims.get("iat")) is int
        and claims["iat"] < claims["exp"]
        and ("nbf" not in claims or (type(claims["nbf"]) is int and claims["nbf"] <= CLOCK + CLOCK_LEEWAY))
        and claims.get("type") == "app"
        and person != agent
    )
    expected = None
    if holds:
        expected = f"person:{claims['sub']}" if person else f"agent:{claims['common_name']}"
    assert outcome.principal == expected


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_no_bytes_at_all_yield_a_principal(raw: bytes) -> None:
    outcome = Kong(headers={"cf-access-jwt-assertion": raw.decode("latin-1")}).run(ACCESS)
    assert outcome.status == 401
