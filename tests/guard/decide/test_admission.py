"""Limits over real HTTP: what a caller beyond one is answered, and what is charged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.guard_messages import call, result
from tests.support.guard_service import Origin, guarded, lock_of
from tests.support.waiting import eventually


async def test_a_call_over_a_limit_is_a_tool_error_with_the_limit_its_number_and_when_to_come_back(
    tmp_path: Path,
) -> None:
    limits = {"tools": {"search": {"requests_per_minute": 2}}}
    async with guarded(Origin(), tmp_path, limits=limits) as guard:
        await guard.initialize()
        for _ in range(2):
            assert "result" in await guard.call("search")
        response = await guard.post(call(40))
        # 200: over a 429 the official SDK's 1.x loses its session.
        assert response.status_code == 200
        refused = response.json()["result"]
        limit = refused["_meta"]["ringwall/limit"]
        wait = int(response.headers["retry-after"])
        assert limit == {
            "limit": "limits.tools.search.requests_per_minute",
            "most": 2,
            "used": 2,
            "retryAfterSeconds": wait,
        }
        assert 0 < wait <= 30
        assert refused["isError"]
        (record,) = [one for one in guard.records() if one["reason"] == "rate_limited"]
        assert refused["content"][0]["text"] == (
            "The limit limits.tools.search.requests_per_minute is reached: 2 requests a minute, 2 used."
            f" Nothing was executed. Try again in {wait} s. Incident {record['incident']}."
        )
        assert record["limit"] == limit
        assert "result" in await guard.call("delete")
        assert len(guard.origin.calls) == 3


async def test_calls_in_flight_are_limited_and_a_finished_one_makes_room(tmp_path: Path) -> None:
    finish = asyncio.Event()
    origin = Origin()

    async def slow(_: Any) -> dict[str, Any]:
        await finish.wait()
        return result("done")

    origin.replies["tools/call"] = slow
    async with guarded(origin, tmp_path, limits={"concurrency": 1}) as guard:
        await guard.initialize()
        first = asyncio.ensure_future(guard.call("search"))
        await eventually(lambda: guard.origin.calls, "the first call is at the server")
        refused = (await guard.post(call(41))).json()["result"]
        assert refused["_meta"]["ringwall/limit"]["limit"] == "limits.concurrency"
        finish.set()
        assert "result" in await first
        assert "result" in await guard.call("search")


@pytest.mark.parametrize("answer", ["cached", "error"])
async def test_tokens_are_counted_for_cached_results_and_errors_too(tmp_path: Path, answer: str) -> None:
    origin = Origin()
    text = "word " * 600
    failure = {"code": 1, "message": text}
    origin.replies["tools/call"] = lambda m: (
        result(text) if answer == "cached" else {"jsonrpc": "2.0", "id": m["id"], "error": failure}
    )
    lock = lock_of(origin.tools, decided={"search": {"cacheable": answer == "cached"}})
    limits = {"principal_tokens_per_minute": 2000}
    async with guarded(origin, tmp_path, tool_lock=lock, limits=limits) as guard:
        await guard.initialize()
        answers = [await guard.call("search") for _ in range(5)]
        limit = answers[-1]["result"]["_meta"]["ringwall/limit"]
        assert (limit["limit"], limit["most"]) == ("limits.principal_tokens_per_minute", 2000)
