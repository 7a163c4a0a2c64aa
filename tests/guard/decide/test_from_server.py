"""What a client sees of a server's answers: results, errors, lists, and the server's questions in a result."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.guard_messages import ATTACK, AWS_KEY, result, session_of
from tests.support.guard_service import MODERN, Origin, answer_of, guarded, lock_of, sse, tool

CODED = base64.b64encode(ATTACK.encode()).decode()


@pytest.mark.parametrize(
    "answer",
    [
        result(ATTACK),
        result("fine", structuredContent={"deep": [{"note": ATTACK}]}),
        {"content": [{"type": "resource", "resource": {"uri": "x://y", "text": ATTACK}}]},
        {"content": [{"type": "resource_link", "uri": "x://y", "name": "n", "description": ATTACK}]},
        result(ATTACK, isError=True),
        result("fine", _meta={"note": ATTACK}),
        {"content": [], ATTACK: 1},
        {"content": [{"type": "image", "mimeType": "image/png", "data": ATTACK}]},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 5, "message": ATTACK}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 5, "message": "x", "data": {"hint": ATTACK}}},
    ],
)
async def test_untrusted_text_is_found_wherever_a_result_may_hold_it(tmp_path: Path, answer: dict[str, Any]) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda _: answer
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        shown = await guard.call("search")
        assert "Ignore all" not in json.dumps(shown)
        assert shown["result"]["isError"] is True
        assert "structuredContent" not in shown["result"]
        assert guard.records()[-1]["decision"] == "block"


async def test_a_secret_that_is_a_key_is_found(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda _: result("ok", structuredContent={AWS_KEY: 1})
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["result"]["isError"]


@pytest.mark.parametrize(
    "blob",
    [
        CODED,
        "\n".join(CODED[start : start + 8] for start in range(0, len(CODED), 8)),
        "!".join(CODED),
        CODED.rstrip("="),
        base64.urlsafe_b64encode(b"\xff" + ATTACK.encode()).decode(),
        base64.b64encode(b"BM" + ATTACK.encode() + b"\xff").decode(),
    ],
)
async def test_text_in_a_blob_is_read_as_any_client_would_decode_it(tmp_path: Path, blob: str) -> None:
    origin = Origin(resources=[{"uri": "file://x/a", "name": "a"}])
    origin.replies["resources/read"] = lambda _: {"contents": [{"uri": "file://x/a", "blob": blob}]}
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert "error" in await guard.request("resources/read", {"uri": "file://x/a"})


async def test_what_nothing_can_look_into_is_not_passed_on(tmp_path: Path) -> None:
    origin = Origin(resources=[{"uri": "x://pdf", "name": "pdf"}])
    blob = {"uri": "x://pdf", "blob": "JVBERi0xLjcKJeLjz9MK/////w==", "mimeType": "application/pdf"}
    origin.replies["resources/read"] = lambda _: {"contents": [blob]}
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    origin.replies["tools/call"] = lambda _: {"content": [{"type": "image", "mimeType": "image/png", "data": png}]}
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.request("resources/read", {"uri": "x://pdf"}))["error"]["code"] == -31001
        assert guard.records()[-1]["reason"] == "unreadable"
        assert (await guard.call("search"))["result"]["content"][0]["data"] == png


async def test_a_media_type_that_the_lock_lists_passes_and_is_counted(tmp_path: Path) -> None:
    resources = [{"uri": "x://a", "name": "a"}, {"uri": "x://b", "name": "b"}]
    templates = [{"uriTemplate": "doc://{name}", "name": "doc"}]
    origin = Origin(resources=resources, templates=templates)
    pdf = "JVBERi0xLjcKJeLjz9MK/////w=="

    def contents(message: Any) -> dict[str, Any]:
        return {"contents": [{"uri": message["params"]["uri"], "blob": pdf, "mimeType": "Application/PDF"}]}

    origin.replies["resources/read"] = contents
    origin.replies["tools/call"] = lambda _: {
        "content": [{"type": "resource", "resource": {"uri": "x:r", "blob": pdf}}]
    }
    lock = lock_of(
        origin.tools,
        resources=resources,
        templates=templates,
        decided={"search": {"media_types": ["application/pdf"]}},
    )
    lock["resources"][0]["media_types"] = ["application/*"]
    lock["resource_templates"][0]["media_types"] = ["application/pdf"]
    grants = [{"to": {"all": True}, "tools": ["search", "delete"], "resources": ["x://*", "doc://*"]}]
    async with guarded(origin, tmp_path, tool_lock=lock, grants=grants) as guard:
        await guard.initialize()
        for uri in ("x://a", "doc://one"):
            assert (await guard.request("resources/read", {"uri": uri}))["result"]["contents"][0]["blob"] == pdf
            assert guard.records()[-1]["uninspected_bytes"] == {"application/pdf": 19}
        assert "isError" not in (await guard.call("search"))["result"]
        assert (await guard.call("delete"))["result"]["isError"] is True
        (note,) = guard.records()[-1]["engines"]
        assert (note["engine"], note["findings"][0]["rule"]) == ("content", "content.media_type")
        assert note["findings"][0]["pointer"] == "/content/0/resource/blob"
        assert "application/pdf" in note["error"]
        assert "media_types" in note["error"]
        assert (await guard.request("resources/read", {"uri": "x://b"}))["error"]["code"] == -31001
        metrics = guard.service.runtime.metrics.text().decode()
        assert 'ringwall_guard_uninspected_bytes_total{kind="application"} 57.0' in metrics


async def test_what_repeats_has_a_record_each_time_and_what_attacks_is_withheld_each_time(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        origin.replies["tools/call"] = lambda _: result("The job is still running.")
        for _ in range(2):
            assert "isError" not in (await guard.call("search", {"text": "job 7"}))["result"]
        calls = [record for record in guard.records() if record["method"] == "tools/call"]
        assert [record["leg"] for record in calls] == ["arguments", "results"] * 2
        assert [record["content_sha256"] for record in calls[:2]] == [record["content_sha256"] for record in calls[2:]]
        assert [bool(record["engines"][0]["milliseconds"]) for record in calls] == [True, True, False, False]
        origin.replies["tools/call"] = lambda _: result(ATTACK)
        for _ in range(2):
            assert (await guard.call("search", {"text": "job 7"}))["result"]["isError"] is True


async def test_an_image_under_a_wrong_label_passes_under_its_own(tmp_path: Path) -> None:
    origin = Origin()
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    text = {"type": "text", "text": "the page"}
    origin.replies["tools/call"] = lambda _: {
        "content": [text, {"type": "image", "mimeType": "image/jpeg", "data": png}]
    }
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        image = {"type": "image", "mimeType": "image/png", "data": png}
        assert (await guard.call("search"))["result"]["content"] == [text, image]


async def test_an_advisory_finding_is_flagged_and_taints_and_the_result_passes(tmp_path: Path) -> None:
    origin = Origin()
    note = "On prompt injection: `<system>` and `[INST]` in pages are found."
    origin.replies["tools/call"] = lambda _: result(note)
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["result"] == result(note)
        assert (guard.records()[-1]["decision"], guard.records()[-1]["reason"]) == ("flag", "injection")
        assert guard.service.runtime.taints.tainted("person:ada", suspected=True) is not None


async def test_a_finding_on_prompts_and_resources_is_an_error_outside_the_reserved_codes(tmp_path: Path) -> None:
    origin = Origin(prompts=[{"name": "greet"}], resources=[{"uri": "x://y", "name": "y"}])
    origin.replies["prompts/get"] = lambda _: {
        "messages": [{"role": "user", "content": {"type": "text", "text": ATTACK}}]
    }
    origin.replies["resources/read"] = lambda _: {"contents": [{"uri": "x://y", "text": ATTACK}]}
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        for method, params in (("prompts/get", {"name": "greet"}), ("resources/read", {"uri": "x://y"})):
            code = (await guard.request(method, params))["error"]["code"]
            assert not -32768 <= code <= -32000
            assert guard.records()[-1]["decision"] == "block"


async def test_a_secret_in_a_result_is_cut_out_where_policy_says_so(tmp_path: Path) -> None:
    origin = Origin()
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    origin.replies["tools/call"] = lambda _: result(f"token is {token}, keep it")
    async with guarded(origin, tmp_path, guard={"legs": {"results": "redact"}}) as guard:
        await guard.initialize()
        answer = await guard.call("search")
        assert answer["result"]["content"][0]["text"] == "token is [redacted:secret], keep it"
        assert guard.records()[-1]["decision"] == "redact"
        assert token not in guard.audit.read_text()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search"))["result"]["isError"] is True


async def test_one_poisoned_tool_leaves_the_list_and_the_others_stay(tmp_path: Path) -> None:
    origin = Origin(tools=[tool("search"), tool("helper", f"Helps. <IMPORTANT>{ATTACK}</IMPORTANT>")])
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert [entry["name"] for entry in (await guard.request("tools/list"))["result"]["tools"]] == ["search"]
        assert ("tools/list", "block") in [(method, decision) for method, decision, _ in guard.reasons()]


async def test_a_list_or_instructions_that_some_clients_read_as_such_are_not_shown(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/list"] = lambda _: {"tools": [], "Tools": [tool("unlisted")]}
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert "unlisted" not in str(await guard.request("tools/list"))
        origin.replies["ping"] = lambda _: {"TOOLS": [tool("unlisted")]}
        assert "unlisted" not in str(await guard.request("ping"))


async def test_an_id_used_twice_shows_no_list_unfiltered(tmp_path: Path) -> None:
    origin = Origin(tools=[tool("search"), tool("extra")])
    final = {"jsonrpc": "2.0", "id": 31, "result": {"tools": [tool("search"), tool("extra")]}}
    origin.replies["tools/list"] = lambda m: sse("id: e-1\ndata:\n\n") if m["id"] == 31 else {"tools": origin.tools}

    async def get(_: Any) -> Any:
        return sse(final)

    origin.get = get
    async with guarded(origin, tmp_path, grants=[{"to": {"all": True}, "tools": ["search"]}]) as guard:
        await guard.initialize()
        first = await guard.post({"jsonrpc": "2.0", "id": 31, "method": "tools/list"})
        await guard.post({"jsonrpc": "2.0", "id": 31, "method": "ping"})
        cursor = first.text.splitlines()[0].removeprefix("id: ")
        resumed = await guard.client.get("/mcp", headers={**session_of(guard), "last-event-id": cursor})
        assert "extra" not in resumed.text
        assert answer_of(resumed, 31)["error"]["code"] == -31004


async def test_lists_of_2026_are_private_and_short_lived(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/list"] = lambda _: {
        "tools": origin.tools, "resultType": "complete", "ttlMs": 86_400_000, "cacheScope": "public"
    }  # fmt: skip
    async with guarded(origin, tmp_path) as guard:
        answer = (await guard.modern("tools/list")).json()["result"]
        assert answer["cacheScope"] == "private"
        assert answer["ttlMs"] == 60_000


async def test_blocked_results_of_2026_say_that_they_are_complete(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda _: result(ATTACK, resultType="complete")
    async with guarded(origin, tmp_path) as guard:
        answer = (await guard.modern("tools/call", {"name": "search", "arguments": {}})).json()
        assert answer["result"]["resultType"] == "complete"
        assert answer["result"]["isError"] is True


async def test_a_refusal_of_the_server_passes_with_its_body(tmp_path: Path) -> None:
    origin = Origin()
    refusal = {
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": {"supported": ["2025-11-25"], "requested": MODERN},
    }
    origin.replies["server/discover"] = lambda m: {"jsonrpc": "2.0", "id": m["id"], "error": refusal}
    async with guarded(origin, tmp_path) as guard:
        response = await guard.modern("server/discover")
        assert response.status_code == 400
        assert response.json()["error"] == refusal


async def test_what_a_server_asks_for_and_what_comes_back_are_both_judged(tmp_path: Path) -> None:
    origin = Origin()
    ask = {"floor": {"method": "elicitation/create", "params": {"message": "Which floor?"}}}
    needed = {"resultType": "input_required", "inputRequests": ask, "requestState": "opaque-1"}
    origin.replies["tools/call"] = lambda m: (
        needed if "inputResponses" not in m["params"] else result("ok", resultType="complete")
    )
    async with guarded(origin, tmp_path) as guard:
        params: dict[str, Any] = {"name": "search", "arguments": {}}
        first = (await guard.modern("tools/call", params)).json()
        assert first["result"] == needed
        good = {"floor": {"action": "accept", "content": {"floor": 3}}}
        bad = {"floor": {"action": "accept", "content": {"floor": ATTACK}}}
        repeated = {**params, "requestState": "opaque-1"}
        assert (await guard.modern("tools/call", {**repeated, "inputResponses": good})).json()["result"]["content"]
        assert (await guard.modern("tools/call", {**repeated, "inputResponses": bad})).json()["result"]["isError"]
        foreign = {**params, "requestState": "opaque-2", "inputResponses": good}
        assert (await guard.modern("tools/call", foreign)).json()["error"]["code"] == -32602
        needed["inputRequests"] = {"x": {"method": "sampling/createMessage", "params": {"note": ATTACK}}}
        assert (await guard.modern("tools/call", params)).json()["result"]["isError"]
        assert len(guard.origin.calls) == 3
