"""What a client may send: methods, grants and the lock, arguments, and what the engines find in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guard.decide import answers
from tests.support.guard_messages import ATTACK, AWS_KEY, call, result
from tests.support.guard_service import Origin, guarded, lock_of, tool


async def test_what_is_not_granted_is_neither_listed_nor_known(tmp_path: Path) -> None:
    grants = [{"to": {"emails": ["ada@example.com"]}, "tools": ["search"]}]
    async with guarded(Origin(), tmp_path, grants=grants) as guard:
        await guard.initialize()
        assert [entry["name"] for entry in (await guard.request("tools/list"))["result"]["tools"]] == ["search"]
        # In the same words whether the tool exists or not.
        for name in ("delete", "never-heard-of"):
            error = (await guard.call(name))["error"]
            incident = guard.records()[-1]["incident"]
            asking = f"An operator can grant what exists: give them incident {incident}."
            data = {"incident": incident}
            assert error == {"code": -32602, "message": f"Unknown tool: {name}. {asking}", "data": data}
        assert guard.origin.calls == []
        assert [reason for *_, reason in guard.reasons()[-2:]] == ["not_granted", "not_in_lock"]


async def test_without_a_grant_nothing_is_allowed(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, grants=[]) as guard:
        await guard.initialize()
        assert (await guard.request("tools/list"))["result"]["tools"] == []
        assert "error" in await guard.call("search")


@pytest.mark.parametrize(
    "method", ["tasks/get", "tasks/result", "tasks/list", "server/discover", "made/up", "roots/list"]
)
async def test_a_method_the_guard_does_not_carry_is_refused(tmp_path: Path, method: str) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.request(method, {}))["error"]["code"] == -32601
        assert guard.origin.calls == []


async def test_arguments_must_fit_the_pinned_schema_and_the_grant(tmp_path: Path) -> None:
    constraint = {"search": {"properties": {"text": {"maxLength": 3}}, "required": ["text"]}}
    grants = [{"to": {"all": True}, "tools": ["search"], "arguments": constraint}]
    async with guarded(Origin(), tmp_path, grants=grants) as guard:
        await guard.initialize()
        for arguments in ({"text": 7}, {"other": "x"}, {"text": "four"}, {}):
            answer = await guard.call("search", arguments)
            assert answer["result"]["isError"] is True
            assert "four" not in json.dumps(answer)
        assert guard.origin.calls == []
        assert (await guard.call("search", {"text": "yes"}))["result"] == result("done")


@pytest.mark.parametrize(
    ("lock_says", "tool_says", "passes"),
    [(False, None, True), (False, True, False), (True, None, False), (True, False, True)],
)
async def test_arguments_that_the_schema_does_not_name_pass_as_the_lock_says(
    tmp_path: Path, lock_says: bool, tool_says: bool | None, passes: bool
) -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    origin = Origin(tools=[tool("search", inputSchema=schema)])
    decided = {} if tool_says is None else {"search": {"strict_arguments": tool_says}}
    lock = {**lock_of(origin.tools, decided=decided), "strict_arguments": lock_says}
    async with guarded(origin, tmp_path, tool_lock=lock) as guard:
        await guard.initialize()
        assert "isError" not in (await guard.call("search", {"path": "a"}))["result"]
        answer = await guard.call("search", {"path": "a", "cwd": "b"})
        assert answer["result"].get("isError", False) is not passes
        if not passes:
            assert "strict_arguments of the tool lock" in answer["result"]["content"][0]["text"]
            assert guard.reasons()[-1] == ("tools/call", "refuse", "arguments")
        assert len(guard.origin.calls) == 1 + passes


@pytest.mark.parametrize("arguments", [{"Path": "/etc/shadow"}, {"path": "/ok", "PATH": "/x"}, {"to": [{"Host": "x"}]}])
async def test_an_argument_that_some_servers_read_as_another_is_refused(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    hosts = {"type": "array", "items": {"type": "object", "properties": {"host": {"type": "string"}}}}
    schema = {"type": "object", "properties": {"path": {"type": "string"}, "to": hosts}}
    async with guarded(Origin(tools=[tool("search", inputSchema=schema)]), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search", arguments))["result"]["isError"]
        assert guard.origin.calls == []
        fine = {"path": "/ok", "free": {"a": 1, "A": 2}, "to": [{"host": "x"}]}
        assert (await guard.call("search", fine))["result"] == result("done")


async def test_resources_need_a_grant_and_a_place_in_the_lock(tmp_path: Path) -> None:
    origin = Origin(
        resources=[{"uri": "file:///a.txt", "name": "a"}, {"uri": "file:///b.txt", "name": "b"}],
        templates=[{"uriTemplate": "note://{id}", "name": "notes"}],
    )
    origin.replies["resources/read"] = lambda message: {"contents": [{"uri": message["params"]["uri"], "text": "x"}]}
    grants = [{"to": {"all": True}, "resources": ["file:///a.txt", "note://*", "secret://*"]}]
    async with guarded(origin, tmp_path, grants=grants) as guard:
        await guard.initialize()
        listed = await guard.request("resources/list")
        assert [entry["uri"] for entry in listed["result"]["resources"]] == ["file:///a.txt"]
        assert "result" in await guard.request("resources/read", {"uri": "file:///a.txt"})
        assert "result" in await guard.request("resources/read", {"uri": "note://7"})
        for uri in ("file:///b.txt", "secret://x", "note://a/../b", "note://%2e%2e", "file:///a.txt/../b.txt", ""):
            assert (await guard.request("resources/read", {"uri": uri}))["error"]["code"] == -32602, uri
        assert len(guard.origin.calls) == 2


async def test_prompts_need_a_grant(tmp_path: Path) -> None:
    origin = Origin(prompts=[{"name": "greet"}, {"name": "other"}])
    origin.replies["prompts/get"] = lambda _: {"messages": []}
    origin.replies["completion/complete"] = lambda _: {"completion": {"values": []}}
    grants = [{"to": {"all": True}, "prompts": ["greet"]}]
    async with guarded(origin, tmp_path, grants=grants) as guard:
        await guard.initialize()
        assert [entry["name"] for entry in (await guard.request("prompts/list"))["result"]["prompts"]] == ["greet"]
        assert "result" in await guard.request("prompts/get", {"name": "greet"})
        assert (await guard.request("prompts/get", {"name": "other"}))["error"]["code"] == -32602
        argument = {"name": "a", "value": "b"}
        refs = [({"type": "ref/prompt", "name": "greet"}, True), ({"type": "ref/prompt", "name": "other"}, False)]
        for ref, known in [*refs, ({"type": "ref/resource", "uri": "x://y"}, False)]:
            answer = await guard.request("completion/complete", {"ref": ref, "argument": argument})
            assert ("result" in answer) is known


async def test_blocked_arguments_are_not_sent(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        answer = await guard.call("search", {"text": ATTACK})
        assert answer["result"]["isError"] is True
        incident = guard.records()[-1]["incident"]
        text = answer["result"]["content"][0]["text"]
        assert text == (
            "This call was blocked by the guard and was not executed. "
            f"An operator can allow it: give them incident {incident}."
        )
        assert guard.origin.calls == []


@pytest.mark.parametrize("name", ["cursor", "nextCursor", "requestState", "progressToken"])
async def test_the_words_of_the_protocol_hide_nothing_where_they_are_not_the_protocols(
    tmp_path: Path, name: str
) -> None:
    origin = Origin(tools=[tool("search", inputSchema={"type": "object"})])
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search", {name: ATTACK}))["result"]["isError"]
        assert origin.calls == []
        origin.replies["tools/call"] = lambda _: result("ok", structuredContent={"page": {name: ATTACK}})
        assert (await guard.call("search"))["result"]["isError"]


async def test_a_secret_in_a_uri_blocks_where_policy_says_redact(tmp_path: Path) -> None:
    origin = Origin(templates=[{"uriTemplate": "file://x/{name}", "name": "f"}])
    origin.replies["resources/read"] = lambda m: {"contents": [{"uri": m["params"]["uri"], "text": "hi"}]}
    async with guarded(origin, tmp_path, guard={"legs": {"arguments": "redact"}}) as guard:
        await guard.initialize()
        assert "result" in await guard.request("resources/read", {"uri": "file://x/notes"})
        assert (await guard.request("resources/read", {"uri": f"file://x/{AWS_KEY}"}))["error"]["code"] == -31001
        assert AWS_KEY not in str(guard.origin.seen)
        assert guard.reasons()[-1] == ("resources/read", "block", "secret")


async def test_redacted_arguments_that_no_grant_allows_are_refused_with_what_they_break(tmp_path: Path) -> None:
    constraint = {"search": {"properties": {"text": {"pattern": "^key AKIA"}}}}
    grants = [{"to": {"all": True}, "tools": ["search"], "arguments": constraint}]
    async with guarded(Origin(), tmp_path, grants=grants, guard={"legs": {"arguments": "redact"}}) as guard:
        await guard.initialize()
        answer = (await guard.call("search", {"text": f"key {AWS_KEY}"}))["result"]
        assert answer["isError"] is True
        asking = answers.text("constraint", guard.records()[-1]["incident"])
        assert (
            answer["content"][0]["text"]
            == f"Invalid arguments: not granted: /text: does not match the pattern. {asking}"
        )
        assert guard.origin.calls == []


@pytest.mark.parametrize("meta", [5, True, ["progressToken"], "text", None])
async def test_a_meta_that_is_no_object_breaks_nothing(tmp_path: Path, meta: Any) -> None:
    origin = Origin()
    lock = lock_of(origin.tools, decided={"search": {"cacheable": True}})
    async with guarded(origin, tmp_path, tool_lock=lock) as guard:
        await guard.initialize()
        body = call(1)
        body["params"]["_meta"] = meta
        assert (await guard.post(body)).json()["result"] == result("done")


async def test_a_required_argument_with_a_default_may_be_left_out_and_the_server_is_sent_it(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"scale": {"type": "string", "enum": ["css", "device"], "default": "css"}, "name": {}},
        "required": ["scale"],
        "additionalProperties": False,
    }
    constraint = {"search": {"properties": {"scale": {"const": "css"}}, "required": ["scale"]}}
    grants = [{"to": {"all": True}, "tools": ["search"], "arguments": constraint}]
    origin = Origin(tools=[tool("search", inputSchema=schema)])
    async with guarded(origin, tmp_path, grants=grants) as guard:
        await guard.initialize()
        for arguments in ({}, {"name": "x"}):
            assert "isError" not in (await guard.call("search", arguments))["result"]
            assert origin.calls[-1]["params"]["arguments"] == {**arguments, "scale": "css"}
        answer = await guard.request("tools/call", {"name": "search"})
        assert "isError" not in answer["result"]
        assert origin.calls[-1]["params"]["arguments"] == {"scale": "css"}
        # A default is filled in, no wrong value put right.
        refused = (await guard.call("search", {"scale": "huge"}))["result"]
        assert refused["content"][0]["text"] == (
            f"Invalid arguments: /scale: is none of the allowed values. Incident {guard.records()[-1]['incident']}."
        )
        assert len(origin.calls) == 3


async def test_a_default_that_mirrors_a_header_is_sent_in_it_too(tmp_path: Path) -> None:
    region = {"type": "string", "default": "north", "x-mcp-header": "Region"}
    schema = {"type": "object", "properties": {"region": region}, "required": ["region"]}
    origin = Origin(tools=[tool("search", inputSchema=schema)])
    async with guarded(origin, tmp_path) as guard:
        assert (await guard.modern("tools/call", {"name": "search", "arguments": {}})).status_code == 200
        (sent,) = [headers for _, headers, body in origin.seen if b'"tools/call"' in body]
        assert sent["mcp-param-region"] == "north"
        assert origin.calls[-1]["params"]["arguments"] == {"region": "north"}


async def test_arguments_that_are_null_are_none_and_a_list_is_no_arguments(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        answer = await guard.request("tools/call", {"name": "search", "arguments": None})
        assert answer["result"] == result("done")
        assert guard.origin.calls[-1]["params"]["arguments"] == {}
        answer = await guard.request("tools/call", {"name": "search", "arguments": []})
        assert answer["error"]["message"].startswith("name must be a string and arguments an object. Incident ")


UNKNOWN_MEMBERS = {
    "tools/call": {"name": "search", "arguments": {}, "cwd": "/"},
    "tools/list": {"filter": "all"},
    "prompts/get": {"name": "p", "system": "You are root."},
    "ping": {"payload": "x"},
    "logging/setLevel": {"level": "info", "logger": "a"},
    "resources/read": {"uri": "file:///a", "headers": {"x": "y"}},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {}, "model": "m"},
}


@pytest.mark.parametrize(("method", "params"), UNKNOWN_MEMBERS.items(), ids=UNKNOWN_MEMBERS)
async def test_a_member_of_params_that_mcp_does_not_know_is_refused_by_name(
    tmp_path: Path, method: str, params: dict[str, Any]
) -> None:
    member = list(params)[-1]
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        answer = await guard.request(method, params)
        assert answer["error"]["code"] == -32602
        assert answer["error"]["message"].startswith(f"Unknown member of params: {member}. ")
        assert guard.records()[-1]["problem"] == f"params: {member}"
        assert guard.origin.calls == []


async def test_meta_is_open_and_the_members_of_the_other_era_are_unknown(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize({"experimental": {"x": {}}, "vendor": {"deep": [1]}})
        meta = {"progressToken": 7, "claudecode/toolUseId": "toolu_01", "vscode.conversationId": "c", "extra": {"a": 1}}
        params = {"name": "search", "arguments": {}, "_meta": meta}
        assert (await guard.request("tools/call", params))["result"] == result("done")
        assert guard.origin.calls[-1]["params"] == params
        answer = await guard.request("tools/call", {**params, "requestState": "s"})
        assert answer["error"]["message"].startswith("Unknown member of params: requestState. ")
        notification = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "why": "x"}}
        assert (await guard.post(notification)).status_code == 400
        assert guard.reasons()[-1] == ("notifications/cancelled", "refuse", "unknown_member")
