"""The headers that a request needs, those that must agree with its body, and those that the server is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guard.http.http_rules import accepts_stream
from tests.support.guard_messages import ATTACK, call, result
from tests.support.guard_service import LEGACY, Origin, guarded, tool


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=utf-16"}, 415),
        ({"content-type": "application/json; charset=utf-8; charset=utf-16"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"origin": "https://evil.example"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:x"}, 421),
        ({"host": "[::1]evil.example"}, 421),
        ({"upgrade": "websocket", "connection": "upgrade"}, 400),
        ({"mcp-protocol-version": "1999-01-01"}, 400),
    ],
)
async def test_a_request_that_is_not_for_this_guard_is_refused(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        assert (await guard.post(call(1), headers)).status_code == status
        assert guard.origin.calls == []


@pytest.mark.parametrize(
    "name",
    ["Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Origin", "Content-Type", "Mcp-Param-X"],
)
async def test_a_routing_header_given_twice_is_refused(tmp_path: Path, name: str) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        body = json.dumps(call(1)).encode()
        headers = [(name, LEGACY), (name, LEGACY), ("content-type", "application/json")]
        assert (await guard.client.post("/mcp", content=body, headers=headers)).status_code == 400
        assert guard.origin.calls == []


async def test_the_server_gets_what_was_inspected_and_no_header_that_names_anybody(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        foreign = {
            "cf-access-jwt-assertion": "a.b.c",
            "cf-access-authenticated-user-email": "x@y.z",
            "x-ringwall-principal": "person:root",
            "cookie": "CF_Authorization=1",
            "authorization": "Bearer t",
            "x-forwarded-for": "1.2.3.4",
        }
        head, tail = b'{ "jsonrpc" :"2.0",\n"id": 5, "method":"tools/call",', b'"params":{"name":"search",'
        body = head + tail + b'"arguments":{"text":"\\u00e5\xc3\xa5 1.50"}} }'
        assert (await guard.post(body, foreign)).status_code == 200
        _, headers, sent = guard.origin.seen[-1]
        assert json.loads(sent) == json.loads(body)
        start = b'{"jsonrpc":"2.0","id":5,"method":"tools/call",'
        assert sent == start + tail + b'"arguments":{"text":"\xc3\xa5\xc3\xa5 1.50"}}}'
        allowed = {
            "host",
            "content-type",
            "accept",
            "accept-encoding",
            "content-length",
            "mcp-session-id",
            "mcp-protocol-version",
        }
        assert headers.keys() <= allowed
        assert headers["host"] == f"127.0.0.1:{guard.origin.port}"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; Charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; charset=utf-8; odata=verbose",
        "application/json; odata=verbose; charset=utf8",
    ],
)
async def test_json_in_utf_8_is_taken_with_any_further_parameter(tmp_path: Path, media_type: str) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        assert (await guard.post(call(1), {"content-type": media_type})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"mcp-name": "delete"}, -32020),
        ({"mcp-method": "tools/list"}, -32020),
        ({"mcp-protocol-version": "2026-07-29"}, -32020),
        # A server that looks at the envelope first would take it for a request of the new era.
        ({"mcp-protocol-version": LEGACY}, -32020),
        ({"mcp-protocol-version": "2025-03-26"}, -32020),
    ],
)
async def test_headers_must_say_what_the_body_says(tmp_path: Path, headers: dict[str, str], code: int) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        response = await guard.modern("tools/call", {"name": "search", "arguments": {}}, **headers)
        assert response.status_code == 400
        assert response.json()["error"]["code"] == code
        assert guard.origin.calls == []


async def test_an_encoded_name_is_compared_decoded(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        good = await guard.modern(
            "tools/call", {"name": "search", "arguments": {}}, **{"mcp-name": "=?base64?c2VhcmNo?="}
        )
        assert good.status_code == 200
        bad = await guard.modern(
            "tools/call", {"name": "search", "arguments": {}}, **{"mcp-name": "=?base64?ZGVsZXRl?="}
        )
        assert bad.status_code == 400


async def test_mirrored_arguments_must_agree_with_the_pinned_schema(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    async with guarded(Origin(tools=[tool("search", inputSchema=schema)]), tmp_path) as guard:
        params = {"name": "search", "arguments": {"region": "eu"}}
        assert (await guard.modern("tools/call", params, **{"mcp-param-region": "us"})).status_code == 400
        response = await guard.modern("tools/call", params, **{"mcp-param-region": "eu", "mcp-param-other": "x"})
        assert response.status_code == 200
        assert guard.origin.seen[-1][1]["mcp-param-region"] == "eu"
        assert guard.origin.seen[-1][1]["mcp-param-other"] == "x"


async def test_a_header_that_mirrors_no_argument_is_read_too(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        params = {"name": "search", "arguments": {"text": "hi"}}
        bad = (await guard.modern("tools/call", params, **{"mcp-param-note": ATTACK})).json()
        assert bad["result"]["isError"]
        assert guard.origin.calls == []
        good = await guard.modern("tools/call", params, **{"mcp-param-note": "blue"})
        assert good.json()["result"] == result("done")
        assert guard.origin.seen[-1][1]["mcp-param-note"] == "blue"


async def test_a_notification_of_2026_carries_no_header_that_its_body_does_not_bear_out(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "notifications/cancelled"}
        wrong = await guard.post(body, {**headers, "mcp-method": "tools/call"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)
        assert guard.origin.calls == []
        right = await guard.post(body, {**headers, "mcp-name": ATTACK, "mcp-param-note": ATTACK})
        assert right.status_code == 202
        [sent] = [headers for _, headers, content in guard.origin.seen if b"notifications/cancelled" in content]
        assert sent["mcp-method"] == "notifications/cancelled"
        assert sent.keys() & {"mcp-name", "mcp-param-note"} == set()


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("application/json, text/event-stream", True),
        ("text/event-stream;q=0.5", True),
        ("TEXT/*", True),
        ("*/*", True),
        ("application/json", False),
        ("text/event-stream; q=0", False),
        ("text/event-stream;q=0.000, application/json", False),
        ("text/event-streams", False),
        ("", False),
    ],
)
def test_accept_is_read_as_http_has_it(accept: str, takes: bool) -> None:
    assert accepts_stream({"accept": accept}) is takes
    assert not accepts_stream({})
