"""Every refusal names an incident that stands in the audit log, and a flood of refusals does not flood the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from guard.audit.repeats import OWN_RECORDS
from tests.support.guard_service import Guarded, Origin, guarded, tool
from tests.support.waiting import eventually

HEADER = "ringwall-incident"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {}}}


def record_of(guard: Guarded, incident: str) -> dict[str, Any]:
    """The record of the refusal with this incident."""
    return next(one for one in reversed(guard.records()) if one["incident"] == incident)


def told(answer: dict[str, Any]) -> str:
    """The incident of an answer, where programs read it; people read the same one."""
    if "error" in answer:
        incident = str(answer["error"]["data"]["incident"])
        assert incident in answer["error"]["message"]
    else:
        incident = str(answer["result"]["_meta"]["ringwall/incident"])
        assert incident in answer["result"]["content"][0]["text"]
    return incident


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        ({"method": "PUT"}, 405, "no_such_verb"),
        ({"method": "POST", "url": "/mcp?x=1", "json": CALL}, 400, "query"),
        ({"method": "POST", "url": "/other", "json": CALL}, 404, "no_such_path"),
        ({"method": "POST", "json": CALL, "headers": {"origin": "https://evil.example"}}, 403, "foreign_origin"),
        ({"method": "POST", "json": CALL, "headers": {"host": "evil.example"}}, 421, "foreign_host"),
        ({"method": "POST", "content": b"x", "headers": {"content-type": "text/plain"}}, 415, "media_type"),
        ({"method": "POST", "content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed"),
        ({"method": "POST", "json": CALL, "headers": {"mcp-session-id": "none"}}, 404, "unknown_session"),
        ({"method": "DELETE"}, 400, "bad_session"),
        (
            {"method": "POST", "content": b" " * 9_000_000, "headers": {"content-type": "application/json"}},
            413,
            "too_large",
        ),
    ],
)
async def test_an_http_refusal_names_its_incident_in_a_header_and_in_its_body(
    tmp_path: Path, request_: dict[str, Any], status: int, reason: str
) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        response = await guard.client.request(**{"url": "/mcp", **request_})
        assert response.status_code == status
        incident = response.headers[HEADER]
        assert record_of(guard, incident)["reason"] == reason
        assert incident in response.text or response.text == ""


async def test_a_caller_without_a_token_is_told_an_incident(tmp_path: Path) -> None:
    doors = [{"hostname": "raw.example.com", "audience": "a" * 64}]
    access = {
        "issuer": "https://example.cloudflareaccess.com",
        "jwks_uri": f"http://127.0.0.1:9/{doors[0]['audience']}",
    }
    identity = {"access": {**access, "front_doors": doors}}
    async with guarded(Origin(), tmp_path, identity=identity) as guard:
        response = await guard.client.post("/mcp", json=CALL, headers={"host": "raw.example.com"})
        assert response.status_code == 401
        assert record_of(guard, told(response.json()))["reason"] == "access_missing"


async def test_a_refused_message_names_its_incident_for_people_and_programs(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    origin = Origin(tools=[tool("search", inputSchema=schema), tool("delete")])
    grants = [{"to": {"all": True}, "tools": ["search"]}]
    async with guarded(origin, tmp_path, grants=grants, limits={"requests_per_minute": 6}) as guard:
        await guard.initialize()
        answers = [
            ("not_granted", await guard.call("delete")),
            ("not_in_lock", await guard.call("absent")),
            ("arguments", await guard.call("search", {"text": 5})),
            ("unknown_method", await guard.request("tools/destroy", {})),
            ("not_granted", await guard.request("prompts/get", {"name": "absent"})),
            ("rate_limited", await guard.call("search")),
        ]
        for reason, answer in answers:
            record = record_of(guard, told(answer))
            assert (record["reason"], record["decision"]) == (reason, "refuse")
        assert "/text: must be a string, is a number" in answers[2][1]["result"]["content"][0]["text"]


async def test_a_refused_notification_names_its_incident_in_a_header(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        response = await guard.post({"jsonrpc": "2.0", "method": "notifications/absent"})
        assert (response.status_code, response.content) == (400, b"")
        assert record_of(guard, response.headers[HEADER])["reason"] == "unknown_method"


async def test_a_server_that_is_down_is_an_incident_every_time(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        origin.replies["tools/call"] = origin.replies["tools/list"] = lambda _: Response(status_code=503)
        incidents = [told(await guard.call("search")) for _ in range(4)]
        assert len(set(incidents)) == 4
        assert {record_of(guard, incident)["reason"] for incident in incidents} <= {
            "origin_unavailable",
            "origin_broken",
        }


async def test_a_flood_of_a_callers_refusals_is_counted_under_incidents_that_stand_in_the_log(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        told_incidents = [told(await guard.call(f"absent-{number}")) for number in range(60)]
        await eventually(
            lambda: sum(one.get("repeats", 1) for one in guard.records() if one["reason"] == "not_in_lock") == 60,
            "the count",
        )
        records = [one for one in guard.records() if one["reason"] == "not_in_lock"]
        assert set(told_incidents) == {one["incident"] for one in records}
        own = [one for one in records if "repeats" not in one]
        counted = [one for one in records if "repeats" in one]
        assert len(own) <= OWN_RECORDS * (len(counted) + 1)
        for one in counted:
            assert (one["method"], one["principal"]) == ("tools/call", own[0]["principal"])


async def test_a_flood_of_strangers_has_one_record_of_its_own_a_second(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        headers = {"host": "evil.example"}
        responses: list[httpx.Response] = [
            await guard.client.post("/mcp", json=CALL, headers=headers) for _ in range(9)
        ]
        await eventually(lambda: sum(one.get("repeats", 1) for one in guard.records()) == 9, "the count")
        records = guard.records()
        assert {one["reason"] for one in records} == {"foreign_host"}
        assert {response.headers[HEADER] for response in responses} == {one["incident"] for one in records}
