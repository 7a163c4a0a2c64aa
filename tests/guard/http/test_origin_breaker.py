"""The breaker between guard and server: it opens for what is the server's, and for nothing that one caller can provoke."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from components.gateway.entities import FAILURES
from guard.http.origin_breaker import OriginBreaker
from tests.support.guard_service import Origin, sse
from tests.support.limited_road import Road, limited_road, refusal_in
from tests.support.token_issuer import Clock


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def run(steps: Callable[[OriginBreaker, list[bool]], Awaitable[None]]) -> None:
    """`looks` is what the looks to come will find; the last one stands."""

    async def main() -> None:
        looks = [False]

        async def reached() -> bool:
            return looks[0] if len(looks) == 1 else looks.pop(0)

        breaker = OriginBreaker(Clock(), reached, first_probe=0.01)
        try:
            await steps(breaker, looks)
        finally:
            await breaker.close()

    asyncio.run(main())


def test_one_caller_never_opens_it_by_failures_that_a_request_can_provoke() -> None:
    async def steps(breaker: OriginBreaker, looks: list[bool]) -> None:
        for _ in range(50):
            breaker.failed("person:mallory", reached=True)
        assert (breaker.is_open, breaker.retry_after()) == (False, None)
        breaker.failed("person:ada", reached=True)
        assert not breaker.is_open
        breaker.failed("person:ada", reached=True)
        assert breaker.is_open

    run(steps)


def test_a_server_that_cannot_be_connected_to_counts_whoever_meets_it() -> None:
    async def steps(breaker: OriginBreaker, looks: list[bool]) -> None:
        for _ in range(4):
            breaker.failed("person:ada", reached=False)
        assert breaker.retry_after() is None
        breaker.failed("person:ada", reached=False)
        assert breaker.is_open
        assert breaker.retry_after() is not None

    run(steps)


def test_only_failures_in_a_row_count() -> None:
    async def steps(breaker: OriginBreaker, looks: list[bool]) -> None:
        for _ in range(10):
            for _ in range(4):
                breaker.failed("person:ada", reached=False)
            breaker.succeeded()
        assert not breaker.is_open

    run(steps)


def test_it_looks_until_the_server_is_well_and_then_closes() -> None:
    async def steps(breaker: OriginBreaker, looks: list[bool]) -> None:
        looks[:] = [False, False, True]
        for _ in range(5):
            breaker.failed("person:ada", reached=False)
        await eventually(lambda: not breaker.is_open)
        assert looks == [True]
        breaker.failed("person:ada", reached=False)
        assert not breaker.is_open

    run(steps)


def test_another_server_begins_with_nothing_against_it() -> None:
    async def steps(breaker: OriginBreaker, looks: list[bool]) -> None:
        for _ in range(5):
            breaker.failed("person:ada", reached=False)
        breaker.forget()
        assert breaker.retry_after() is None

    run(steps)


# -- through Kong and guard -----------------------------------------------------------------------------------------------


def failing_json(message: dict[str, Any]) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32603, "message": "boom"}}, 500)


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "500 with a JSON-RPC error": failing_json,
    "500 with text": lambda _: PlainTextResponse("Traceback", 500),
    "502": lambda _: PlainTextResponse("", 502),
    "503": lambda _: JSONResponse({"message": "later"}, 503),
    "no JSON": lambda _: PlainTextResponse("<html>", 200),
    "another's answer": lambda _: {"jsonrpc": "2.0", "id": "other", "result": {}},
    "an array": lambda m: JSONResponse([{"jsonrpc": "2.0", "id": m["id"], "result": {}}]),
    "a stream of no JSON": lambda _: sse("data: no\n\n"),
    "a stream without an answer": lambda _: sse(),
    "compressed": lambda _: Response(b"", 200, {"content-encoding": "gzip"}),
    "a redirect": lambda _: Response(b"", 307, {"location": "/mcp/"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_callers_failures_are_no_failure_of_the_guards_and_close_nothing_for_others(
    fault: str, tmp_path: Path
) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": FAULTS[fault]})
        async with limited_road(origin, tmp_path) as road:
            for _ in range(6):
                refusal = refusal_in(await road.call(who="mallory"))
                assert refusal is not None
                assert refusal["code"] in (-31004, -32603)
            del origin.replies["tools/call"]
            assert refusal_in(await road.call(who="ada")) is None
            assert {status for _, _, status in road.gateway.seen} == {200}

    asyncio.run(main())


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_what_has_no_json_rpc_answer_carries_no_status_that_kong_counts(status: int, tmp_path: Path) -> None:
    async def main() -> None:
        class Broken(Origin):
            async def handle(self, request: Any) -> Response:
                await request.body()
                return Response(status_code=status)

        async with limited_road(Broken(), tmp_path) as road:
            road.guard.service.runtime.sessions.bind("s-1", principal_of(road))
            headers = {**road.headers("ada"), "mcp-session-id": "s-1"}
            note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            statuses = [
                (await road.post(note)).status_code,
                (await road.client.get("/mcp", headers=headers)).status_code,
                (await road.client.delete("/mcp", headers=headers)).status_code,
            ]
            assert statuses == [424, 424, 424]
            assert not set(statuses) & set(FAILURES)

    asyncio.run(main())


def principal_of(road: Road) -> Any:
    from guard.identity.principal import Principal

    return Principal("person:ada", "person")


def test_an_open_breaker_answers_at_once_says_when_and_sends_nothing_until_the_server_is_well(tmp_path: Path) -> None:
    async def main() -> None:
        origin = Origin(replies={"tools/call": FAULTS["500 with text"]})
        async with limited_road(origin, tmp_path) as road:
            for who in ("mallory", "mallory", "mallory", "bob", "bob"):
                await road.call(who=who)
            before = road.executed
            response = await road.call(who="ada")
            refusal = refusal_in(response)
            assert refusal is not None
            assert "Nothing was executed" in refusal["message"]
            assert refusal["data"]["retryAfterSeconds"] == int(response.headers["retry-after"]) >= 1
            assert road.executed == before
            assert (await road.post({"jsonrpc": "2.0", "method": "notifications/initialized"})).status_code == 424
            del origin.replies["tools/call"]
            await eventually(lambda: not road.guard.service.runtime.origin.is_open)
            assert refusal_in(await road.call(who="ada")) is None

    asyncio.run(main())


def test_a_session_that_the_server_lost_is_404_and_no_failure(tmp_path: Path) -> None:
    """As the Python SDK 1.x answers it: 404 with an error whose id is "server-error"."""

    async def main() -> None:
        gone = {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Session not found"}}
        origin = Origin(replies={"tools/call": lambda _: JSONResponse(gone, 404)})
        async with limited_road(origin, tmp_path) as road:
            for who in ("ada", "ada", "ada", "bob", "bob", "bob"):
                assert (await road.call(who=who)).status_code == 404
            assert not road.guard.service.runtime.origin.is_open

    asyncio.run(main())
