"""The breaker between guard and server: it opens for what is the server's, and for nothing that one caller can provoke."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from components.gateway.entities import FAILURES
from guard.http.origin_breaker import OriginBreaker
from guard.identity.principal import Principal
from tests.support.guard_service import Origin, sse
from tests.support.limited_road import Road, limited_road, refusal_in
from tests.support.token_issuer import Clock
from tests.support.waiting import eventually


@pytest.fixture
def probes() -> list[bool]:
    """What the coming probes find; the last entry stands for all that follow."""
    return [False]


@pytest.fixture
async def breaker(probes: list[bool]) -> AsyncIterator[OriginBreaker]:
    async def reached() -> bool:
        return probes[0] if len(probes) == 1 else probes.pop(0)

    opened = OriginBreaker(Clock(), reached, first_probe=0.01)
    yield opened
    await opened.close()


async def test_one_caller_never_opens_it_by_failures_that_a_request_can_provoke(breaker: OriginBreaker) -> None:
    for _ in range(50):
        breaker.failed("person:mallory", reached=True)
    assert (breaker.is_open, breaker.retry_after()) == (False, None)
    breaker.failed("person:ada", reached=True)
    assert not breaker.is_open
    breaker.failed("person:ada", reached=True)
    assert breaker.is_open


async def test_a_server_that_cannot_be_connected_to_counts_whoever_meets_it(breaker: OriginBreaker) -> None:
    for _ in range(4):
        breaker.failed("person:ada", reached=False)
    assert breaker.retry_after() is None
    breaker.failed("person:ada", reached=False)
    assert breaker.is_open
    assert breaker.retry_after() is not None


async def test_only_failures_in_a_row_count(breaker: OriginBreaker) -> None:
    for _ in range(10):
        for _ in range(4):
            breaker.failed("person:ada", reached=False)
        breaker.succeeded()
    assert not breaker.is_open


async def test_it_looks_until_the_server_is_well_and_then_closes(breaker: OriginBreaker, probes: list[bool]) -> None:
    probes[:] = [False, False, True]
    for _ in range(5):
        breaker.failed("person:ada", reached=False)
    await eventually(lambda: not breaker.is_open, "the breaker is closed")
    assert probes == [True]
    breaker.failed("person:ada", reached=False)
    assert not breaker.is_open


async def test_another_server_begins_with_nothing_against_it(breaker: OriginBreaker) -> None:
    for _ in range(5):
        breaker.failed("person:ada", reached=False)
    breaker.forget()
    assert breaker.retry_after() is None


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
async def test_one_callers_failures_are_no_failure_of_the_guards_and_close_nothing_for_others(
    fault: str, tmp_path: Path
) -> None:
    origin = Origin(replies={"tools/call": FAULTS[fault]})
    async with limited_road(origin, tmp_path) as road:
        for _ in range(6):
            refusal = refusal_in(await road.call(who="mallory"))
            assert refusal is not None
            assert refusal["code"] == (-32603 if fault == "500 with a JSON-RPC error" else -31004)
        del origin.replies["tools/call"]
        assert refusal_in(await road.call(who="ada")) is None
        assert {status for _, _, status in road.gateway.seen} == {200}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_what_has_no_json_rpc_answer_carries_no_status_that_kong_counts(status: int, tmp_path: Path) -> None:
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


def principal_of(road: Road) -> Any:
    return Principal("person:ada", "person")


async def test_an_open_breaker_answers_at_once_says_when_and_sends_nothing_until_the_server_is_well(
    tmp_path: Path,
) -> None:
    origin = Origin(replies={"tools/call": FAULTS["500 with text"]})
    async with limited_road(origin, tmp_path) as road:
        for caller in ("mallory", "mallory", "mallory", "bob", "bob"):
            await road.call(who=caller)
        before = road.executed
        response = await road.call(who="ada")
        refusal = refusal_in(response)
        assert refusal is not None
        assert "Nothing was executed" in refusal["message"]
        assert refusal["data"]["retryAfterSeconds"] == int(response.headers["retry-after"]) >= 1
        assert road.executed == before
        assert (await road.post({"jsonrpc": "2.0", "method": "notifications/initialized"})).status_code == 424
        del origin.replies["tools/call"]
        await eventually(lambda: not road.guard.service.runtime.origin.is_open, "the breaker is closed")
        assert refusal_in(await road.call(who="ada")) is None


async def test_a_session_that_the_server_lost_is_404_and_no_failure(tmp_path: Path) -> None:
    """As the Python SDK 1.x answers it: 404 with an error whose id is "server-error"."""
    lost = {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Session not found"}}
    origin = Origin(replies={"tools/call": lambda _: JSONResponse(lost, 404)})
    async with limited_road(origin, tmp_path) as road:
        for caller in ("ada", "ada", "ada", "bob", "bob", "bob"):
            assert (await road.call(who=caller)).status_code == 404
        assert not road.guard.service.runtime.origin.is_open
