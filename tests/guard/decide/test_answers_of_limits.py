"""Limits answer inside the protocol, in both eras, and what a result says twice counts once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guard.decide.tokens import repeated_bytes
from model.defaults import Limits
from tests.support.guard_messages import result
from tests.support.guard_service import Guarded, Origin, guarded, lock_of, sse
from tests.support.waiting import eventually

Ask = Callable[[Guarded, str, dict[str, Any]], Awaitable[httpx.Response]]


async def in_session(guard: Guarded, method: str, params: dict[str, Any]) -> httpx.Response:
    return await guard.post({"jsonrpc": "2.0", "id": 77, "method": method, "params": params})


async def stateless(guard: Guarded, method: str, params: dict[str, Any]) -> httpx.Response:
    return await guard.modern(method, params)


LARGE = {"name": "search", "arguments": {"text": "x" * 2000}}
READ = {"uri": "note://" + "x" * 2000}


@pytest.mark.parametrize("ask", [in_session, stateless])
async def test_a_request_over_the_size_is_refused_with_the_key_its_number_and_its_own_size(
    tmp_path: Path, ask: Ask
) -> None:
    origin = Origin(templates=[{"uriTemplate": "note://{name}", "name": "note"}])
    async with guarded(origin, tmp_path, limits={"body_kilobytes": 1}) as guard:
        await guard.initialize()
        called, read = await ask(guard, "tools/call", LARGE), await ask(guard, "resources/read", READ)
        limit = {"limit": "limits.body_kilobytes", "most": 1, "used": 3}
        text = "The limit limits.body_kilobytes is reached: 1 KiB a request, 3 used. Nothing was executed."
        assert (called.status_code, read.status_code) == (200, 200)
        assert called.json()["result"]["isError"]
        refused = [one for one in guard.records() if one["reason"] == "too_large"]
        assert [(one["method"], one["limit"]) for one in refused] == [("tools/call", limit), ("resources/read", limit)]
        first, second = (one["incident"] for one in refused)
        result, error = called.json()["result"], read.json()["error"]
        assert result["content"] == [{"type": "text", "text": f"{text} Incident {first}."}]
        assert result["_meta"] == {"ringwall/incident": first, "ringwall/limit": limit}
        data = {"incident": second, **limit}
        assert error == {"code": -31003, "message": f"{text} Incident {second}.", "data": data}
        assert origin.calls == []
        small = {"name": "search", "arguments": {"text": "x"}}
        assert "isError" not in (await ask(guard, "tools/call", small)).json()["result"]


@pytest.mark.parametrize("ask", [in_session, stateless])
async def test_a_list_over_the_requests_is_a_json_rpc_error_on_200(tmp_path: Path, ask: Ask) -> None:
    async with guarded(Origin(), tmp_path, limits={"requests_per_minute": 2, "requests_per_hour": 9}) as guard:
        for _ in range(2):
            assert "result" in (await ask(guard, "tools/list", {})).json()
        response = await ask(guard, "tools/list", {})
        refusal = response.json()["error"]
        assert (response.status_code, refusal["code"]) == (200, -31003)
        assert refusal["data"]["limit"] == "limits.requests_per_minute"
        assert (refusal["data"]["most"], refusal["data"]["used"]) == (2, 2)
        assert 0 < refusal["data"]["retryAfterSeconds"] <= 30


async def test_a_call_that_nobody_granted_counts_as_a_request(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, limits={"requests_per_minute": 2, "requests_per_hour": 9}) as guard:
        for _ in range(2):
            assert (await guard.call("no-such-tool"))["error"]["code"] == -32602
        limit = (await guard.call("search"))["result"]["_meta"]["ringwall/limit"]
        assert limit["limit"] == "limits.requests_per_minute"


async def test_a_clients_answer_over_the_size_ends_the_servers_wait_with_a_refusal(tmp_path: Path) -> None:
    question = {"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {"message": "Which floor?"}}
    origin = Origin()

    def heard() -> list[dict[str, Any]]:
        return [one for one in origin.calls if one.get("id") == "q1"]

    async def until_heard() -> None:
        await eventually(heard, "the server hears of its question")

    origin.replies["tools/call"] = lambda m: sse(question, then=until_heard)
    async with guarded(origin, tmp_path, limits={"body_kilobytes": 1}) as guard:
        await guard.initialize({"elicitation": {}})
        body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "search", "arguments": {}}}
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        sent["mcp-session-id"] = guard.session or ""
        async with guard.client.stream("POST", "/mcp", json=body, headers=sent) as stream:
            async for line in stream.aiter_lines():
                if "elicitation/create" in line:
                    break
            large = {"jsonrpc": "2.0", "id": "q1", "result": {"action": "accept", "content": {"a": "x" * 2000}}}
            assert (await guard.post(large)).status_code == 202
            await until_heard()
        assert heard()[0]["error"]["code"] == -31001


# -- what a result says twice -------------------------------------------------------------------------------------------

TEXT = 'line "one"\n' * 50
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("structured", "texts", "counted_once"),
    [
        ({"a": 1, "b": [1.5, None]}, ['{ "b": [1.5, null],\n "a": 1 }'], [0]),
        ({"content": TEXT}, [TEXT], [0]),
        ({"result": 5}, ["5"], [0]),
        ({"result": "5"}, ['"5"'], [0]),
        ({"result": ROWS}, [json.dumps(ROWS, indent=2)], [0]),
        ({"result": ROWS}, [json.dumps(row) for row in ROWS], [0, 1]),
        ({"a": 1}, ["in short: one", '{"a":1}'], [1]),
        # Each text a second time is no copy of anything any more.
        ({"content": TEXT}, [TEXT, TEXT, TEXT], [0]),
        ({"a": 1}, ['{"a":2}'], []),
        ({"a": "x"}, ["xx"], []),
        ({"a": "x", "b": "y"}, ["x"], []),
        ({"result": ROWS}, [json.dumps(ROWS[0])], []),
        (None, [TEXT], []),
    ],
)
def test_the_text_copy_of_structured_content_counts_once_and_nothing_else_is_left_out(
    structured: Any, texts: list[str], counted_once: list[int]
) -> None:
    answer = {"content": [block(text) for text in texts], "structuredContent": structured}
    expected = sum(len(json.dumps(texts[index], separators=(",", ":"))) for index in counted_once)
    assert repeated_bytes(answer) == expected


@pytest.mark.parametrize("how", ["json", "stream", "cached"])
async def test_a_result_and_its_text_copy_cost_caller_and_server_once(tmp_path: Path, how: str) -> None:
    text = "word " * 3200
    origin = Origin()
    answer = result(text, structuredContent={"content": text})
    origin.replies["tools/call"] = lambda m: (
        sse({"jsonrpc": "2.0", "id": m["id"], "result": answer}) if how == "stream" else answer
    )
    lock = lock_of(origin.tools, decided={"search": {"cacheable": how == "cached"}})
    # Room for two such results and something small; counted twice, they would leave the caller to wait for half a minute.
    limits = {"principal_tokens_per_minute": 10_000}
    async with guarded(origin, tmp_path, tool_lock=lock, limits=limits) as guard:
        await guard.initialize()
        assert [len((await guard.call("search"))["result"]["content"][0]["text"]) for _ in range(2)] == [16_000] * 2
        # A stream's tokens are reported with the next answer.
        last = {"method": "ping"} if how == "stream" else {"method": "tools/call", "params": {"name": "search"}}
        reported = await guard.post({"jsonrpc": "2.0", "id": 9, **last})
        assert 4000 < int(reported.headers["x-kong-limit"].removeprefix("tokens=")) < 4200


async def test_a_request_too_large_for_its_budget_does_not_use_it_up(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, limits={"principal_tokens_per_minute": 10_000}) as guard:
        await guard.initialize()
        limit = (await guard.call("search", {"text": "x" * 50_000}))["result"]["_meta"]["ringwall/limit"]
        assert limit.keys() == {"limit", "most", "used"}
        assert (limit["limit"], limit["most"]) == ("limits.principal_tokens_per_minute", 10_000)
        assert (await guard.call("search"))["result"] == result("done")


async def test_the_defaults_let_a_caller_read_a_file_of_a_megabyte_and_go_on(tmp_path: Path) -> None:
    line = 'It said: "the quick brown fox",\tand jumped.\n'
    file = line * (1_048_576 // len(line))
    origin = Origin(replies={"tools/call": lambda _: result(file, structuredContent={"content": file})})
    async with guarded(origin, tmp_path, limits=Limits().dump()) as guard:
        await guard.initialize()
        answer = await guard.call("search")
        assert answer["result"]["content"][0]["text"] == file
        origin.replies.clear()
        assert (await guard.call("search"))["result"] == result("done")
        assert "tools" in (await guard.request("tools/list"))["result"]
    # Four callers at their most do not close the server to a fifth.
    assert Limits().tokens_per_minute >= 4 * Limits().principal_tokens_per_minute
