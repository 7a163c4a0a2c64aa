"""Every limit of a stack file refuses before the call is executed: through Kong and guard, an answer is never both.

A call that was executed and then answered as refused is done twice by a client that tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from components.gateway.names import REMAINING_HEADER
from model.defaults import Limits, Rate
from tests.support.guard_service import Origin
from tests.support.limited_road import Road, limited_road, messages_in, refusal_in

Drive = Callable[[Road], Awaitable[None]]


def result(size: int) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "x" * size}]}


class Answers:
    """Calls one after the other, each held against whether the server executed it."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.refusals: list[dict[str, Any]] = []

    async def call(self, **arguments: Any) -> None:
        before = self.road.executed
        response = await self.road.call(**arguments)
        refusal, executed = refusal_in(response), self.road.executed - before
        assert executed == (0 if refusal else 1), (response.status_code, response.text)
        if refusal:
            self.refusals.append(refusal)


async def twelve_calls(road: Road) -> None:
    answers = Answers(road)
    for _ in range(12):
        await answers.call(tool="delete")
    assert answers.refusals


async def four_calls_of_three_an_hour(road: Road) -> None:
    answers = Answers(road)
    for _ in range(4):
        await answers.call()
    assert [one["data"]["limit"] for one in answers.refusals] == ["limits.requests_per_hour"]


async def a_large_call(road: Road) -> None:
    answers = Answers(road)
    await answers.call(text="x" * 2000)
    assert [one["data"] for one in answers.refusals] == [{"limit": "limits.body_kilobytes", "most": 1, "used": 3}]
    await answers.call(text="x")
    assert len(answers.refusals) == 1
    # Far above it Kong does not even ask the guard.
    await answers.call(text="x" * 5000)
    assert answers.refusals[1:] == [{"status": 413}]


async def two_at_once(road: Road) -> None:
    go = asyncio.Event()

    async def slow(_: Any) -> dict[str, Any]:
        await go.wait()
        return result(1)

    road.origin.replies["tools/call"] = slow
    first = asyncio.ensure_future(road.call())
    async with asyncio.timeout(60):
        while not road.executed:
            await asyncio.sleep(0.01)
    answers = Answers(road)
    await answers.call()
    assert [one["data"]["limit"] for one in answers.refusals] == ["limits.concurrency"]
    go.set()
    assert refusal_in(await first) is None


#: Limit to the settings that make it bite, and what drives it there. A new limit has no row and fails the test below.
DRIVES: dict[str, tuple[dict[str, Any], Drive]] = {
    "requests_per_minute": ({"requests_per_minute": 5}, twelve_calls),
    "requests_per_hour": ({"requests_per_minute": 3, "requests_per_hour": 3}, four_calls_of_three_an_hour),
    "tokens_per_minute": ({"tokens_per_minute": 500}, twelve_calls),
    "principal_tokens_per_minute": ({"principal_tokens_per_minute": 500}, twelve_calls),
    "body_kilobytes": ({"body_kilobytes": 1}, a_large_call),
    "concurrency": ({"concurrency": 1}, two_at_once),
    "tools.requests_per_minute": ({"tools": {"delete": {"requests_per_minute": 5}}}, twelve_calls),
    "tools.tokens_per_minute": ({"tools": {"delete": {"tokens_per_minute": 500}}}, twelve_calls),
}


def test_there_is_a_row_for_every_limit_a_stack_file_can_set() -> None:
    own = set(Limits.model_fields) - {"tools"}
    assert set(DRIVES) == own | {f"tools.{name}" for name in Rate.model_fields}


@pytest.mark.parametrize("limit", DRIVES)
def test_no_call_is_executed_and_then_answered_as_refused(limit: str, tmp_path: Path) -> None:
    settings, drive = DRIVES[limit]

    async def main() -> None:
        # Each result overshoots whatever is left of a budget, as real ones do.
        origin = Origin(replies={"tools/call": lambda _: result(700)})
        async with limited_road(origin, tmp_path, **settings) as road:
            await drive(road)

    asyncio.run(main())


# -- the whole server's tokens --------------------------------------------------------------------------------------------


def test_after_an_overshoot_calls_wait_for_the_next_minute_and_nothing_is_done_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": lambda _: result(2000)})
        async with limited_road(origin, tmp_path, tokens_per_minute=100) as road:
            assert refusal_in(await road.call("delete")) is None
            for _ in range(3):
                response = await road.call("delete")
                refusal = refusal_in(response)
                assert refusal is not None
                assert response.status_code == 200
                assert (refusal["data"]["limit"], refusal["data"]["most"]) == ("limits.tokens_per_minute", 100)
                assert 1 <= refusal["data"]["retryAfterSeconds"] == int(response.headers["retry-after"]) <= 60
            assert road.executed == 1
            road.clock.now += 60
            assert refusal_in(await road.call("delete")) is None

    asyncio.run(main())


def test_what_is_charged_is_capped_at_what_is_left(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": lambda _: result(40_000)})
        async with limited_road(origin, tmp_path, tokens_per_minute=1000) as road:
            response = await road.call()
            assert response.headers["x-ratelimit-remaining-tokens-minute"] == "0"
            assert road.spent == 1000

    asyncio.run(main())


def test_a_streams_tokens_are_charged_to_the_next_answer_and_never_below_zero(tmp_path: Path) -> None:
    async def main() -> None:
        from tests.support.guard_service import sse

        origin = Origin()
        origin.replies["tools/call"] = lambda m: sse({"jsonrpc": "2.0", "id": m["id"], "result": result(8000)})
        async with limited_road(origin, tmp_path, tokens_per_minute=1000) as road:
            assert refusal_in(await road.call()) is None
            assert 0 < road.spent < 200
            assert refusal_in(await road.call()) is None
            assert road.spent == 1000
            assert refusal_in(await road.call()) is not None
            assert road.executed == 2

    asyncio.run(main())


@pytest.mark.parametrize("junk", [b"x" * 1_047_000, b'{"jsonrpc":"2.0","id":1,"method":"no/such","params":{"x":"%s"}}'])
def test_refused_bodies_are_charged_to_their_sender_alone(junk: bytes, tmp_path: Path) -> None:
    async def main() -> None:
        body = junk.replace(b"%s", b"y" * 1_000_000)
        async with limited_road(Origin(), tmp_path, principal_tokens_per_minute=600) as road:
            assert refusal_in(await road.post(body, "mallory")) is not None
            assert road.spent == 0
            assert refusal_in(await road.call(who="ada", text="x" * 1800)) is None
            refusal = refusal_in(await road.call(who="mallory", text="x" * 1800))
            assert refusal is not None
            assert refusal["data"]["limit"] == "limits.principal_tokens_per_minute"
            # Its budget was emptied and went no lower, so that a minute heals it.
            assert refusal["data"]["retryAfterSeconds"] <= 60

    asyncio.run(main())


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {"_meta": {"x": "y" * 900_000}}},
        {"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"_meta": {"x": "y" * 900_000}}},
    ],
)
def test_a_large_message_costs_the_server_no_more_than_its_sender_can_pay(message: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with limited_road(Origin(), tmp_path, principal_tokens_per_minute=1000) as road:
            await road.post(message, "mallory")
            assert road.spent <= 1000
            assert refusal_in(await road.call(who="ada")) is None

    asyncio.run(main())


def test_a_principals_own_budget_is_judged_before_the_servers(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": lambda _: result(2000)})
        limits = {"tokens_per_minute": 100, "principal_tokens_per_minute": 100}
        async with limited_road(origin, tmp_path, **limits) as road:
            assert refusal_in(await road.call(who="mallory")) is None
            said = [refusal_in(await road.call(who=who)) for who in ("mallory", "ada")]
            assert [one and one["data"]["limit"] for one in said] == [
                "limits.principal_tokens_per_minute",
                "limits.tokens_per_minute",
            ]

    asyncio.run(main())


def test_a_client_cannot_forge_what_is_left(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": lambda _: result(2000)})
        async with limited_road(origin, tmp_path, tokens_per_minute=100) as road:
            await road.call()
            forged = {"X-RateLimit-Remaining-Tokens": "999999", "X_RateLimit_Remaining_Tokens": "999999"}
            assert refusal_in(await road.call(**forged)) is not None
            assert road.executed == 1

    asyncio.run(main())


@pytest.mark.parametrize("report", ["tokens=-50", "tokens=5, tokens=7", "tokens=0"])
def test_a_servers_own_report_never_reaches_kong(report: str, tmp_path: Path) -> None:
    async def main() -> None:
        from starlette.responses import JSONResponse

        origin = Origin()
        origin.replies["tools/call"] = lambda m: JSONResponse(
            {"jsonrpc": "2.0", "id": m["id"], "result": result(400)}, headers={"X-Kong-Limit": report}
        )
        async with limited_road(origin, tmp_path) as road:
            response = await road.call()
            assert "x-kong-limit" not in response.headers
            assert road.spent > 100

    asyncio.run(main())


@pytest.mark.parametrize("remaining", [None, "", "abc", "nan", "1,2"])
def test_without_kongs_word_on_what_is_left_nothing_is_executed(remaining: str | None, tmp_path: Path) -> None:
    async def main() -> None:
        async with limited_road(Origin(), tmp_path) as road:
            # Past Kong, as if its plugin were gone: the guard alone cannot tell how much the server may still do.
            headers = {**road.headers("ada"), **({} if remaining is None else {REMAINING_HEADER: remaining})}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {}}}
            refusal = refusal_in(await road.guard.client.post("/mcp", json=body, headers=headers))
            assert refusal is not None
            assert refusal["data"] == {"limit": "limits.tokens_per_minute"}
            assert "cannot be counted" in refusal["text"]
            assert road.executed == 0
            assert ("tools/call", "refuse", "no_gateway_remainder") in road.guard.reasons()

    asyncio.run(main())


def test_the_remainder_given_twice_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with limited_road(Origin(), tmp_path) as road:
            twice = [*road.headers("ada").items(), (REMAINING_HEADER, "9"), (REMAINING_HEADER, "9")]
            assert (await road.guard.client.post("/mcp", json={}, headers=twice)).status_code == 400

    asyncio.run(main())


def test_one_that_answers_and_notifies_goes_on_when_nothing_is_left_and_costs_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": lambda _: result(2000)})
        async with limited_road(origin, tmp_path, tokens_per_minute=100) as road:
            await road.call()
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            assert (await road.post(cancel)).status_code == 202
            assert road.origin.calls[-1]["method"] == "notifications/cancelled"
            assert road.spent == 100

    asyncio.run(main())


# -- what only an answer can exceed ---------------------------------------------------------------------------------------


def test_a_result_too_large_to_pass_on_says_that_the_call_was_executed(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": lambda _: result(17 * 1024 * 1024)})
        async with limited_road(origin, tmp_path) as road:
            (message,) = messages_in(await road.call())
            assert message["result"]["isError"]
            assert "was executed" in message["result"]["content"][0]["text"]
            assert ("tools/call", "block", "result_too_large") in road.guard.reasons()

    asyncio.run(main())


def test_a_stream_over_its_callers_budget_says_that_the_call_was_executed(tmp_path: Path) -> None:
    async def main() -> None:
        from tests.support.guard_service import sse

        progress = {"progressToken": 1, "progress": 1, "message": "x" * 4000}
        noise = {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}
        origin = Origin()
        origin.replies["tools/call"] = lambda m: sse(noise, {"jsonrpc": "2.0", "id": m["id"], "result": result(1)})
        async with limited_road(origin, tmp_path, principal_tokens_per_minute=500) as road:
            message = messages_in(await road.call())[-1]
            assert message["result"]["isError"]
            assert "was executed" in message["result"]["content"][0]["text"]
            assert ("tools/call", "block", "result_used_up") in road.guard.reasons()

    asyncio.run(main())
