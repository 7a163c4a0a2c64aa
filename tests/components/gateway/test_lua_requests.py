"""Which requests the identity check passes, whatever token they bear, and what it does to their headers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.identity_checks import (
    ACCESS,
    AGENT,
    CORS,
    PERSON,
    access,
    without,
)
from tests.support.kong_lua_runtime import Kong, jwt

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
