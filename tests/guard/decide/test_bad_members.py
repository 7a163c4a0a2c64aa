"""One bad member costs itself alone on a running guard: in its lock, and in the lists of the server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.guard_messages import result
from tests.support.guard_service import Origin, guarded, lock_of, tool
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port

DANGLING = {"type": "object", "properties": {"screen": {"$ref": "#/$defs/Gone"}}}
PATTERN = {"type": "object", "properties": {"span": {"type": "string", "pattern": "^P(?!$)(?=[0-9]|T)"}}}
PLACE = "/inputSchema/properties/span/pattern"


async def names(guard: Any, method: str = "tools/list", member: str = "tools") -> list[str]:
    return [entry["name"] for entry in (await guard.request(method))["result"][member]]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (DANGLING, "leads out of it or nowhere, and none is ever fetched (at /inputSchema/properties/screen/$ref)"),
        (
            {"type": "object", "not": PATTERN},
            f"RE2 does not take it) (at {PLACE.replace('properties', 'not/properties')})",
        ),
        (
            {"type": "object", "properties": []},
            "JSON Schema 2020-12 does not allow [] there (at /inputSchema/properties)",
        ),
        (None, "a schema is an object or a boolean (at /inputSchema)"),
    ],
)
async def test_a_locked_tool_that_cannot_be_enforced_is_refused_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, schema: Any, problem: str
) -> None:
    caplog.set_level(logging.WARNING)
    search, bad = tool("search"), tool("get_screen", inputSchema=schema)
    lock = lock_of([search, bad])
    granted = [{"to": {"all": True}, "tools": ["search", "get_screen"]}]
    async with guarded(
        Origin(tools=[search]), tmp_path, tool_lock=lock, grants=granted, admin_port=free_port()
    ) as guard:
        await guard.initialize()
        assert await guard.service.runtime.watch.reached()
        guard.origin.replies["tools/list"] = lambda _: {"tools": [search, bad]}
        assert await names(guard) == ["search"]
        guard.origin.replies.clear()
        assert (await guard.call("search"))["result"] == result("done")
        assert (await guard.call("get_screen"))["error"]["message"].startswith("Unknown tool: get_screen.")
        assert [call["params"]["name"] for call in guard.origin.calls] == ["search"]
        assert {("lock", "refuse", "unenforceable"), ("tools/call", "refuse", "unenforceable")} <= set(guard.reasons())
        async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
            state = (await client.get(f"http://127.0.0.1:{guard.config.admin_port}/readyz")).json()
    assert (state["ready"], state["refused_although_locked"]) == (True, ["tools/get_screen"])
    assert problem in state["unenforceable"]["tools/get_screen"]
    assert problem in "".join(state["refused"][0]["difference"])
    assert "refused, as it cannot be enforced: tools get_screen" in caplog.text


async def test_a_pattern_is_left_to_the_server_only_where_the_lock_says_so(tmp_path: Path) -> None:
    tools = [tool("wait", inputSchema=PATTERN)]
    granted = [{"to": {"all": True}, "tools": ["wait"]}]
    async with guarded(Origin(tools=tools), tmp_path, tool_lock=lock_of(tools), grants=granted) as guard:
        await guard.initialize()
        assert await names(guard) == []
    lock = lock_of(tools, decided={"wait": {"left_to_server": [PLACE]}})
    async with guarded(Origin(tools=tools), tmp_path, tool_lock=lock, grants=granted) as guard:
        await guard.initialize()
        assert await names(guard) == ["wait"]
        assert (await guard.call("wait", {"span": "PT1H"}))["result"] == result("done")
        assert "Invalid arguments: /span: must be" in str(await guard.call("wait", {"span": 7}))


async def test_what_the_lock_leaves_out_is_named_with_its_reason(tmp_path: Path) -> None:
    left_out = [
        {"kind": "tools", "key": "odd", "reason": "it is offered 2 times"},
        {"kind": "resources", "key": "", "reason": "resources/list: -32603 db down"},
    ]
    origin = Origin(tools=[tool("search"), tool("odd")], resources=[{"uri": "file://x/a", "name": "a"}])
    lock = {**lock_of([tool("search")]), "left_out": left_out}
    async with guarded(origin, tmp_path, tool_lock=lock, admin_port=free_port()) as guard:
        await guard.initialize()
        assert await names(guard) == ["search"]
        await guard.service.runtime.watch.reached()
        said = {shown: refusal.difference for shown, refusal in guard.service.runtime.refusals.items()}
        async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
            state = (await client.get(f"http://127.0.0.1:{guard.config.admin_port}/readyz")).json()
    assert said == {
        "tools odd": "left out of the tool lock: it is offered 2 times",
        "resources file://x/a": "its list is left out of the lock: resources/list: -32603 db down",
    }
    assert state["left_out"] == left_out


async def test_a_bad_entry_of_a_list_is_withheld_with_a_record_and_twins_are_one(tmp_path: Path) -> None:
    search = tool("search")
    origin = Origin(tools=[search])
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert "result" in await guard.call("search")
        origin.replies["tools/list"] = lambda _: {"tools": ["odd", {"inputSchema": []}, search, None, dict(search)]}
        assert await names(guard) == ["search"]
        assert ("tools/list", "allow", "withheld_3") in guard.reasons()
        assert guard.service.runtime.refusals["tools"].difference == "an entry without a name"
        origin.replies["tools/list"] = lambda _: {"tools": {"0": search}}
        assert await names(guard) == []
        assert ("tools/list", "allow", "withheld_1") in guard.reasons()
        # An unlike twin is the server changing its mind within one answer.
        origin.replies["tools/list"] = lambda _: {"tools": [search, tool("search", "Sends it elsewhere.")]}
        assert await names(guard) == []
        assert guard.service.runtime.policy.pins.refused == ("tools/search",)


async def test_a_server_that_begins_to_list_what_is_bad_loses_that_alone(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["result"] == result("done")
        origin.tools = [
            {"name": "php", "inputSchema": {"type": "object", "properties": []}},
            {"name": "bare"},
            {"name": "untyped", "inputSchema": {"properties": {}}},
            *origin.tools,
        ]
        guard.service.runtime.watch.forget()
        assert (await guard.call("search"))["result"] == result("done")
        assert await names(guard) == ["search", "delete"]
        assert sorted(guard.service.runtime.refusals) == ["tools bare", "tools php", "tools untyped"]
