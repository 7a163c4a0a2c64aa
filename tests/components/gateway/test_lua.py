"""The identity check as rendered, run on LuaJIT with only what Kong's sandbox has."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gateway import lua
from components.gateway.lua import BearerCheck, identity_check, lua_string
from model.tokens import CLOCK_LEEWAY
from tests.support import issued_tokens
from tests.support.kong_lua_runtime import Kong, jwt

TEAM = "https://acme.cloudflareaccess.com"
IDP = "https://idp.example.com/"
CLOCK = 1_800_000_000
AUDIENCES = {"github.example.com": "aud-github", "claude.example.com": "aud-claude"}
ACCESS = identity_check(access_issuer=TEAM, audiences=AUDIENCES)
BEARER = BearerCheck(
    issuer=IDP,
    audience="https://github.example.com/mcp",
    scopes=("mcp:use", "repo"),
    metadata_url="https://github.example.com/.well-known/oauth-protected-resource/mcp",
)
EXTERNAL = identity_check(access_issuer=TEAM, audiences={"github.example.com": "aud-github"}, bearer=BEARER)
CORS = identity_check(access_issuer=TEAM, audiences=AUDIENCES, preflight=True)
METADATA = 'resource_metadata="https://github.example.com/.well-known/oauth-protected-resource/mcp"'

PERSON = issued_tokens.PERSON.claims(TEAM, "aud-github", CLOCK, sub="7335d417", email="ann@example.com")
AGENT = issued_tokens.SERVICE_TOKEN.claims(TEAM, "aud-github", CLOCK, common_name="e367.access")
TOKEN = issued_tokens.EXTERNAL_PERSON.claims(
    IDP, "https://github.example.com/mcp", CLOCK, sub="auth0|ann", email="Ann@example.com", scope="openid mcp:use repo"
)


def access(claims: Any = PERSON, *, header: Any = None, source: str = ACCESS, **request: Any) -> Any:
    headers = {"cf-access-jwt-assertion": jwt(claims, header), **request.pop("headers", {})}
    return Kong(headers=headers, **request).run(source)


def external(claims: Any = TOKEN, *, assertion: Any = AGENT, header: Any = None, **request: Any) -> Any:
    headers = {"authorization": f"Bearer {jwt(claims, header)}", "cf-access-jwt-assertion": jwt(assertion)}
    headers |= request.pop("headers", {})
    return Kong(headers=headers, **request).run(EXTERNAL)


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


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


# Headers


@pytest.mark.parametrize("value", [None, [jwt(PERSON), jwt(PERSON)], [jwt(PERSON), jwt(AGENT)]])
def test_exactly_one_assertion_is_taken(value: Any) -> None:
    headers = {} if value is None else {"cf-access-jwt-assertion": value}
    outcome = Kong(headers=headers).run(ACCESS)
    assert (outcome.status, outcome.response_headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("first", [True, False])
def test_client_sent_ringwall_headers_are_cleared_in_any_order(first: bool) -> None:
    sent = {
        "X-Ringwall-Principal": "person:admin",
        "x-ringwall-assertion": "Bearer evil",
        "x-ringwall-request-id": "made-up",
        "X_Ringwall_Principal": "person:admin",
        "x-RINGWALL-anything": ["a", "b"],
        "X-RateLimit-Remaining-Tokens": "999999",
    }
    real = {"cf-access-jwt-assertion": jwt(PERSON)}
    outcome = Kong(headers=sent | real if first else real | sent).run(ACCESS)
    ringwall_headers = {
        name: value for name, value in outcome.request_headers.items() if name.lower().startswith(("x-r", "x_r"))
    }
    assert ringwall_headers == {
        "x-ringwall-principal": "person:7335d417",
        "x-ringwall-assertion": f"Bearer {jwt(PERSON)}",
    }


@pytest.mark.parametrize("amount", [81, 1001])
def test_a_refused_request_keeps_no_client_sent_principal(amount: int) -> None:
    many = {f"h{index}": "" for index in range(amount)}
    outcome = Kong(headers=many | {"x-ringwall-principal": "person:admin"}).run(ACCESS)
    assert outcome.status == 431
    assert "x-ringwall-principal" not in outcome.request_headers


def test_headers_beyond_what_kong_reads_are_refused() -> None:
    """With 100 headers before it, rate-limiting would not see the principal and count by address instead."""
    assert access(headers={f"h{index}": "" for index in range(79)}).principal is not None
    assert access(headers={f"h{index}": "" for index in range(80)}).status == 431
    assert access(headers={"h": [""] * 80}).status == 431


@pytest.mark.parametrize("name", ["Cf_Access_Jwt_Assertion", "cf-access_jwt-assertion"])
def test_a_disguised_assertion_is_refused(name: str) -> None:
    assert access(headers={name: jwt(PERSON)}).status == 400


@pytest.mark.parametrize("value", ["websocket", "h2c", ["websocket", "x"]])
def test_upgrade_is_refused(value: Any) -> None:
    assert access(headers={"upgrade": value, "connection": "Upgrade"}).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"transfer-encoding": "chunked"},
        {"transfer-encoding": "chunked", "content-length": "5"},
        {"content-length": "5, 5"},
        {"content-length": ["5", "5"]},
        {"content-length": "-5"},
        {"content-length": "0x5"},
    ],
)
def test_a_body_of_undeclared_length_is_refused(headers: dict[str, Any]) -> None:
    assert access(method="POST", headers=headers).status == 411


def test_a_post_with_its_length_passes() -> None:
    assert access(method="POST", headers={"content-length": "5"}).principal == "person:7335d417"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_have_no_body(method: str) -> None:
    assert access(method=method, headers={"content-length": "5"}).status == 400
    assert access(method=method, headers={"content-length": "0"}).principal == "person:7335d417"


def test_a_query_string_is_refused() -> None:
    assert access(query="access_token=secret").status == 400


def test_no_log_line_is_written_of_a_request_with_a_query_string() -> None:
    for headers in ({}, {"upgrade": "websocket"}, {"x_ringwall-a": "b"}, {f"h{number}": "x" for number in range(200)}):
        assert access(query="access_token=secret", headers=headers).notices == []
    assert access(headers={"upgrade": "websocket"}).notices == ["ringwall refused the request: Upgrade is not accepted"]


# Preflights

PREFLIGHT = {"origin": "https://app.example.com", "access-control-request-method": "POST"}


def test_a_preflight_passes_to_cors_without_a_principal() -> None:
    outcome = Kong(method="OPTIONS", headers=PREFLIGHT | {"x-ringwall-principal": "person:admin"}).run(CORS)
    assert outcome.status is None
    assert not [name for name in outcome.request_headers if name.startswith("x-ringwall-")]


@pytest.mark.parametrize("missing", list(PREFLIGHT))
def test_an_options_request_that_is_no_preflight_is_refused(missing: str) -> None:
    outcome = access(source=CORS, method="OPTIONS", headers=without(PREFLIGHT, missing))
    assert outcome.status == 405


def test_without_cors_every_options_request_is_refused() -> None:
    assert access(method="OPTIONS", headers=PREFLIGHT).status == 405


# External issuers


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


# The chunk itself


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


# Logs


def log_line(**request: Any) -> dict[str, Any]:
    return {name: Kong(**request).run(source).returned for name, source in lua.log_fields().items()}


def test_logs_hold_only_allowed_headers() -> None:
    line = log_line(
        headers={
            "User-Agent": "mcp/2",
            "Cf-Access-Jwt-Assertion": "secret",
            "authorization": "Bearer secret",
            "x-ringwall-assertion": "Bearer secret",
            "cookie": "CF_Authorization=secret",
            "cf-access-client-secret": "secret",
            "mcp-session-id": "secret",
            "apikey": "secret",
            "x-unheard-of": "secret",
            "accept": ["application/json", "text/event-stream"],
        },
        response_headers={"content-type": "text/event-stream", "mcp-session-id": "secret", "set-cookie": ["secret"]},
        query="token=secret",
        authenticated=True,
    )
    assert line["request.headers"] == {"user-agent": "mcp/2", "accept": "application/json, text/event-stream"}
    assert line["response.headers"] == {"content-type": "text/event-stream"}
    assert "secret" not in json.dumps(line)


def test_logs_have_no_query_string_anywhere() -> None:
    line = log_line(query="token=secret")
    assert line["request.querystring"] is None
    assert (line["request.uri"], line["upstream_uri"]) == ("/mcp", "/mcp")
    assert line["request.url"] == "http://github.example.com/mcp"


def test_a_log_names_the_principal_only_once_verified() -> None:
    sent = {"x-ringwall-principal": "person:7335d417"}
    assert log_line(headers=sent, authenticated=True)["request.headers"] == sent
    assert log_line(headers=sent, authenticated=False)["request.headers"] == {}


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
