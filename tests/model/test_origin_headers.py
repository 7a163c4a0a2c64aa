"""Which headers a stack file may set for its server: a key's, and none that steers anything."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.origin_headers import refusal_of
from model.origin_identity import thumbprint
from model.problems import Wrong
from model.server import Origin, Server
from tests.guard.bundle.test_bundle import config

URL = {"url": "http://127.0.0.1:3000/mcp"}
KEY = {"env": "DESK_KEY"}
X, Y = "a" * 43, "b" * 43
SERVER: dict[str, Any] = {
    "version": 1,
    "host": "dev-1",
    "hostname": "tickets.example.com",
    "guard_port": 9010,
    "access": {"agents": ["ci"]},
}
EXTERNAL = {"mode": "external", "issuer": "okta", "audience": "https://tickets.example.com/mcp"}


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Connection", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Keep-Alive", "Proxy-Authorization"),
        *("Content-Type", "content-length", "Content-Encoding", "Accept", "Accept-Encoding", "Expect", "Range"),
        *("Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Param-x", "Last-Event-ID"),
        *("Cookie", "Origin", "Referer", "Forwarded", "Via", "X-Forwarded-For", "X-Real-IP", "X-Original-URL"),
        *("Cf-Access-Jwt-Assertion", "CF-Connecting-IP", "X-Ringwall-Principal", "Ringwall-Identity", "X-Consumer-Id"),
        *("X-HTTP-Method-Override", "Sec-Fetch-Site", "If-None-Match", "X-Kong-Limit", "X-RateLimit-Remaining-tokens"),
    ],
)
def test_a_header_that_steers_is_refused_with_its_reason(name: str) -> None:
    assert refusal_of(name)
    with pytest.raises(ValidationError) as refused:
        Origin.model_validate({**URL, "headers": {name: KEY}})
    wrong = refused.value.errors()[0]["ctx"]["error"]
    assert isinstance(wrong, Wrong)
    assert str(wrong).startswith(f"{name} ")


@pytest.mark.parametrize("name", ["X-Api-Key", "Authorization", "x-functions-key", "PRIVATE-TOKEN", "User-Agent"])
def test_a_header_that_holds_a_key_may_be_set(name: str) -> None:
    assert refusal_of(name) is None
    assert Origin.model_validate({**URL, "headers": {name: KEY}}).headers.keys() == {name}


@pytest.mark.parametrize(
    ("origin", "problem"),
    [
        ({**URL, "headers": {"X-Key": "plain-text-secret"}}, "valid dictionary"),
        ({**URL, "headers": {"X Key": KEY}}, "is no header name"),
        ({**URL, "headers": {"X-Key": KEY, "x-key": KEY}}, "X-Key and x-key are one header"),
        ({"command": ["server"], "headers": {"X-Key": KEY}}, "a command is sent no headers"),
        ({"command": ["server"], "identity": "header"}, "a command is sent no headers"),
        ({**URL, "identity_keys": [{"kid": thumbprint(X, Y), "x": X, "y": Y}]}, "belongs to identity"),
        ({**URL, "identity": "meta", "identity_keys": [{"kid": X, "x": X, "y": Y}]}, "thumbprint"),
    ],
)
def test_what_no_server_can_be_sent_is_refused(origin: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Origin.model_validate(origin)
    assert problem in refused.value.errors()[0]["msg"]
    assert "plain-text-secret" not in refused.value.errors(include_input=False)[0]["msg"]


def test_in_mode_external_authorization_is_the_callers() -> None:
    values = {**SERVER, "origin": {**URL, "headers": {"authorization": KEY}}}
    assert Server.model_validate(values).origin.headers
    with pytest.raises(ValidationError) as refused:
        Server.model_validate({**values, "oauth": EXTERNAL})
    wrong = refused.value.errors()[0]["ctx"]["error"]
    assert isinstance(wrong, Wrong)
    assert (str(wrong), wrong.key) == (
        "in mode external this header carries the caller's token",
        ("origin", "headers", "authorization"),
    )


EXCHANGE = {
    "grant": "token-exchange",
    "token_endpoint": "https://login.example.com/token",
    "client_id": "guard",
    "client_secret": {"env": "SECRET"},
    "audience": "api://tickets",
}


@pytest.mark.parametrize(
    ("origin", "problem"),
    [
        ({"command": ["server"], "token_exchange": EXCHANGE}, "a command is sent no headers"),
        ({**URL, "token_exchange": {**EXCHANGE, "audience": None}}, "names no server"),
        ({**URL, "token_exchange": {**EXCHANGE, "on_behalf_of": True}}, "belongs to grant: jwt-bearer"),
        ({**URL, "token_exchange": {**EXCHANGE, "token_endpoint": "http://login.example.com/token"}}, "https URL"),
        ({**URL, "token_exchange": {**EXCHANGE, "client_secret": "plain"}}, "valid dictionary"),
    ],
)
def test_an_exchange_that_cannot_be_made_is_refused(origin: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Origin.model_validate(origin)
    assert problem in refused.value.errors()[0]["msg"]


def test_only_mode_external_has_a_callers_token_to_exchange() -> None:
    values = {**SERVER, "origin": {**URL, "token_exchange": EXCHANGE}}
    assert Server.model_validate({**values, "oauth": EXTERNAL}).origin.token_exchange
    with pytest.raises(ValidationError) as refused:
        Server.model_validate(values)
    wrong = refused.value.errors()[0]["ctx"]["error"]
    assert isinstance(wrong, Wrong)
    assert (str(wrong), wrong.key) == (
        "exchanges the caller's own token, which there is in mode external alone",
        ("origin", "token_exchange"),
    )


def test_a_configuration_that_uses_none_of_it_is_as_it_was() -> None:
    assert config("one").dump()["origin"].keys() == {"url", "socket", "path", "command", "environment", "directory"}
