"""A stream carries no more than its reader needs: progress and empty events have a rate, handles a length and no text."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from guard.audit import repeats
from guard.decide import stream_rate
from guard.decide.stream_rate import EMPTY, PROGRESS, TokenBucket, Traffic
from guard.inspect.content import MAX_OPAQUE, content_of
from tests.support.guard_messages import ATTACK, call, result
from tests.support.guard_service import Origin, answer_of, guarded, sse
from tests.support.waiting import eventually


def progress(number: int) -> dict[str, Any]:
    params = {"progressToken": "p", "progress": number, "total": 5000, "message": f"file {number}"}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def streaming(*events: Any) -> Origin:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: sse(*events, {"jsonrpc": "2.0", "id": m["id"], "result": result("done")})
    return origin


async def test_a_flood_of_progress_is_cut_counted_and_does_not_cost_the_result(tmp_path: Path) -> None:
    count = 3000
    async with guarded(streaming(*map(progress, range(count))), tmp_path) as guard:
        await guard.initialize()
        began = time.monotonic()
        response = await guard.post(call(7))
        assert answer_of(response, 7)["result"] == result("done")
        shown = response.text.count("notifications/progress")
        assert PROGRESS[1] <= shown < count
        assert "file 0" in response.text
        records = [record for record in guard.records() if record["reason"] == "progress_flood"]
        assert records[0]["method"] == "notifications/progress"
        seconds = math.ceil(time.monotonic() - began) + 1
        assert len(records) <= (repeats.OWN_RECORDS + 1) * seconds < count - shown
        metrics = guard.service.runtime.metrics.text().decode()
        assert f'ringwall_guard_dropped_events_total{{kind="progress"}} {count - shown}.0' in metrics


LIST_CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
LOG_LINE = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "one more line"}}
PING = {"jsonrpc": "2.0", "id": "q", "method": "ping"}


@pytest.mark.parametrize(
    ("message", "traffic"),
    [(LIST_CHANGED, Traffic.LISTS), (LOG_LINE, Traffic.NOTIFICATION), (PING, Traffic.REQUEST)],
)
async def test_a_flood_of_any_other_message_is_cut_and_costs_neither_the_result_nor_the_callers_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any], traffic: Traffic
) -> None:
    most, count = 20, 400
    monkeypatch.setitem(stream_rate.RATES, traffic, (0.0, most))
    # What passes of it is paid for, and all of it could not be.
    budget = {"principal_tokens_per_minute": 5 * most * len(str(message)) // 4}
    async with guarded(streaming(*[message] * count), tmp_path, limits=budget) as guard:
        await guard.initialize()
        response = await guard.post(call(7))
        assert answer_of(response, 7)["result"] == result("done")
        assert response.text.count(message["method"]) == most
        metrics = guard.service.runtime.metrics.text().decode()
        assert f'ringwall_guard_dropped_events_total{{kind="{traffic}"}} {count - most}.0' in metrics
        records = [record for record in guard.records() if record["reason"] == "server_flood"]
        assert records[0]["method"] == message["method"]
        assert len(records) < 20


async def test_a_server_that_asks_without_end_is_not_answered_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stream_rate.RATES, Traffic.REQUEST, (0.0, 5))
    monkeypatch.setitem(stream_rate.RATES, Traffic.REFUSAL, (0.0, 3))
    asked = {"jsonrpc": "2.0", "id": "q", "method": "roots/list"}
    async with guarded(streaming(*[asked] * 50), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.post(call(7))).text.count("roots/list") == 5
        runtime = guard.service.runtime
        await eventually(lambda: runtime._refusals_in_flight == 0, "the server has all that it is told")
        assert [message["id"] for message in guard.origin.calls if "error" in message] == ["q"] * 3


async def test_a_long_log_that_is_written_at_once_passes_whole(tmp_path: Path) -> None:
    async with guarded(streaming(*[LOG_LINE] * 900), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.post(call(7))).text.count("notifications/message") == 900


async def test_progress_that_a_person_can_follow_passes_whole(tmp_path: Path) -> None:
    async with guarded(streaming(*map(progress, range(150))), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.post(call(7))).text.count("notifications/progress") == 150


@pytest.mark.parametrize("empty", [": noise\n\n", "id: e-1\n\n", "retry: 5\n\n", "event: other\ndata: x\n\n"])
async def test_a_flood_of_events_that_say_nothing_is_cut(tmp_path: Path, empty: str) -> None:
    async with guarded(streaming(*[empty] * 5000), tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(7))
        assert answer_of(response, 7)["result"] == result("done")
        events = response.text.count("\n\n")
        assert EMPTY[1] <= events < 2000
        assert b'kind="empty"' in guard.service.runtime.metrics.text()


async def test_progress_that_is_left_out_leaves_no_flood_of_empty_events(tmp_path: Path) -> None:
    async with guarded(streaming(*map(progress, range(3000))), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.post(call(7))).text.count("\n\n") < 1500


async def test_the_name_of_an_event_without_data_is_not_shown(tmp_path: Path) -> None:
    async with guarded(streaming(f"event: {ATTACK}\nid: e-1\n\n"), tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(7))
        assert "Ignore all" not in response.text
        assert "id: e-1~" in response.text


async def test_an_event_id_is_read_where_it_is_text(tmp_path: Path) -> None:
    note = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"fine"}}'
    texts = [f"id: {ATTACK}\ndata: {note}\n\n", f"id: stream 1 event 2\ndata: {note}\n\n"]
    async with guarded(streaming(*texts), tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(7))
        assert response.text.count('"fine"') == 2
        assert "Ignore all" not in response.text
        assert "id: stream 1 event 2~" in response.text
        [blocked] = [record for record in guard.records() if record["decision"] == "block"]
        assert blocked["method"] == "event id"


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("tools/list", ("cursor",)),
        ("tools/list", ("nextCursor",)),
        ("tools/call", ("requestState",)),
        ("tools/call", ("_meta", "progressToken")),
        ("notifications/progress", ("progressToken",)),
    ],
)
def test_a_handle_has_a_length_and_is_read_where_it_is_text(method: str, place: tuple[str, ...]) -> None:
    def holding(value: Any) -> Any:
        for name in reversed(place):
            value = {name: value}
        return value

    most, pointer = MAX_OPAQUE[place[-1]], "/" + "/".join(place)
    whole = content_of(holding("x" * most), method)
    assert (whole.texts, whole.unreadable) == ((), None)
    assert content_of(holding(7), method).texts == ()
    longer = content_of(holding("x" * (most + 1)), method)
    assert (longer.unreadable, longer.problem) == (pointer, f"it has {most + 1} characters, and {most} may pass")
    for text in (ATTACK, "ignorez\u00a0tout", "a b", "\u5ffd\u7565"):
        assert [text.pointer for text in content_of(holding(text), method).texts] == [pointer]


async def test_a_text_in_place_of_a_handle_is_blocked_in_both_directions(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        state = {"resultType": "input_required", "inputRequests": {}, "requestState": ATTACK}
        origin.replies["tools/call"] = lambda _: state
        answer = (await guard.modern("tools/call", {"name": "search", "arguments": {}})).json()["result"]
        assert answer["isError"]
        assert "requestState" not in answer
        await guard.initialize()
        calls = len(origin.calls)
        asked = {"name": "search", "arguments": {}, "_meta": {"progressToken": "t" * 1025}}
        assert (await guard.request("tools/call", asked))["result"]["isError"]
        origin.replies["tools/list"] = lambda _: {"tools": origin.tools, "nextCursor": ATTACK}
        assert "Ignore all" not in str(await guard.request("tools/list", {}))
        assert len(origin.calls) == calls


def test_a_bucket_admits_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=10.0, burst=3.0)
    assert [bucket.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(clock) for clock in (0.05, 0.1, 0.15, 0.25)] == [False, True, False, True]
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]
