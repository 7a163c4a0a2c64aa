"""What an MCP client writes and reads, by exact messages."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.inbound import NAME_BEARING_METHODS
from mcp_types.version import LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

from wire.mcp_client import (
    HANDSHAKE_VERSION,
    STATELESS_VERSION,
    ClientSide,
    notification,
    read_message,
    reply_in,
    server_info,
    stateless_versions,
    versions_in,
)


def test_the_versions_are_the_newest_of_the_official_sdk() -> None:
    assert (LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS[-1]) == (HANDSHAKE_VERSION, STATELESS_VERSION)


def test_a_conversation_with_a_session_counts_its_requests_and_repeats_version_and_session() -> None:
    side = ClientSide("probe", {"roots": {}})
    first = side.initialize()
    assert first == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"roots": {}},
            "clientInfo": {"name": "probe", "version": "1"},
        },
    }
    assert side.headers(first) == {}
    side.begin({"protocolVersion": "2025-06-18"}, "s-1")
    headers = {"mcp-protocol-version": "2025-06-18", "mcp-session-id": "s-1"}
    for message in (notification("notifications/initialized"), side.request("tools/list"), None):
        assert side.headers(message) == headers
    assert side.request("tools/list", {"cursor": "a"}) == {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "tools/list",
        "params": {"cursor": "a"},
    }
    assert side.request("tools/list", {})["params"] == {}
    assert side.request("ping", id_="77") == {"jsonrpc": "2.0", "id": "77", "method": "ping"}


@pytest.mark.parametrize(("version", "session"), [(None, None), (7, ""), ("<2025>", "two words"), ("9" * 21, "é")])
def test_a_version_or_session_that_no_header_can_carry_is_not_repeated(version: Any, session: str | None) -> None:
    side = ClientSide("probe")
    side.begin({"protocolVersion": version}, session)
    assert side.headers(side.request("tools/list")) == {}


def test_a_stateless_request_says_everything_itself() -> None:
    side = ClientSide("probe", stateless=True, version=STATELESS_VERSION)
    call = side.request("tools/call", {"name": "search", "arguments": {}})
    assert call["params"]["_meta"] == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "probe", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    assert side.headers(call) == {
        "mcp-method": "tools/call",
        "mcp-name": "search",
        "mcp-protocol-version": "2026-07-28",
    }
    discover = ClientSide("probe").request("server/discover", stateless_version=STATELESS_VERSION)
    assert ClientSide("probe").headers(discover) == {
        "mcp-method": "server/discover",
        "mcp-protocol-version": "2026-07-28",
    }


@pytest.mark.parametrize(("method", "member"), sorted(NAME_BEARING_METHODS.items()))
def test_the_header_names_what_the_official_sdk_names(method: str, member: str) -> None:
    side = ClientSide("probe", stateless=True, version=STATELESS_VERSION)
    assert side.headers(side.request(method, {member: "x"}))["mcp-name"] == "x"


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","id":2,"result":{}}',
        '{"jsonrpc":"2.0","method":"ping","id":1}',
        '{"jsonrpc":"2.0","id":1,"id":1,"result":{}}',
        '{"id":1,"result":{}}',
        "[]",
        "",
        "<html>",
    ],
)
def test_what_is_not_the_reply_is_passed_over(text: str) -> None:
    assert reply_in(text, 1) is None


def test_a_reply_is_read_with_a_byte_order_mark_and_half_a_surrogate_pair() -> None:
    text = b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"result":{"text":"\\ud800"}}'
    assert reply_in(text, 1) == {"jsonrpc": "2.0", "id": 1, "result": {"text": "\ufffd"}}


def test_nesting_without_end_is_no_message() -> None:
    assert read_message('{"jsonrpc":"2.0","a":' + "[" * 100_000 + "]" * 100_000 + "}") is None


def test_a_server_says_its_versions_and_its_name_in_the_words_of_either_era() -> None:
    assert stateless_versions({"supportedVersions": ["2026-07-28"]}) == ["2026-07-28"]
    assert stateless_versions({"supportedVersions": "2026-07-28"}) is None
    assert versions_in(-32022, {"supported": ["2027-01-01"]}) == ["2027-01-01"]
    assert versions_in(-32022, {"supported": []}) is None
    assert versions_in(-32601, {"supported": ["2027-01-01"]}) is None
    assert server_info({"serverInfo": {"name": "a"}}) == {"name": "a"}
    assert server_info({"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "b"}}}) == {"name": "b"}
    assert server_info({"serverInfo": "a", "_meta": None}) == {}
