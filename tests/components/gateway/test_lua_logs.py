"""What the gateway's log lines hold."""

from __future__ import annotations

import json
from typing import Any

from components.gateway import lua
from tests.support.kong_lua_runtime import Kong


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
