"""What one principal may do at once and in a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.decide.counters import MemoryCounters
from guard.decide.grants import ToolRight
from guard.decide.limits import UNCOUNTED, Limited, Limiter, ReachedLimit
from guard.decide.redis_counters import RedisCounters
from guard.decide.tokens import ServerBudget, estimate, read_remaining, seconds_to_next_minute
from guard.identity.principal import Principal
from model.defaults import Limits as LimitSettings
from tests.support.redis_server import PATIENT, RedisServer
from tests.support.token_issuer import Clock

KARI, OLA = Principal("person:kari", "person"), Principal("person:ola", "person")
SETTINGS = LimitSettings(concurrency=2, principal_tokens_per_minute=600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limiter:
    return Limiter(SETTINGS, MemoryCounters(clock))


async def refused(
    limits: Limiter, principal: Principal, right: ToolRight | None, tokens: int
) -> tuple[str, int | None]:
    with pytest.raises(Limited) as caught:
        await limits.admit(principal, right.name if right else None, right, tokens)
    return caught.value.reached.key.removeprefix("limits."), caught.value.reached.retry_after_seconds


async def test_calls_in_flight_are_limited_per_principal(limits: Limiter) -> None:
    first = await limits.admit(KARI, "a", ToolRight("a"), 1)
    await limits.admit(KARI, "b", ToolRight("b"), 1)
    assert await refused(limits, KARI, None, 1) == ("concurrency", 1)
    await limits.admit(OLA, "a", ToolRight("a"), 1)
    await first.release()
    await first.release()
    await limits.admit(KARI, "c", ToolRight("c"), 1)
    assert await refused(limits, KARI, None, 1) == ("concurrency", 1)


async def test_calls_a_minute_are_limited_per_tool_and_principal(limits: Limiter, clock: Clock) -> None:
    slow, second = ToolRight("slow", requests_per_minute=2), ToolRight("other", requests_per_minute=2)
    for _ in range(2):
        await (await limits.admit(KARI, "slow", slow, 1)).release()
    assert await refused(limits, KARI, slow, 1) == ("grants[].limits.requests_per_minute", 30)
    await (await limits.admit(KARI, "other", second, 1)).release()
    await (await limits.admit(OLA, "slow", slow, 1)).release()
    clock.now += 30
    await (await limits.admit(KARI, "slow", slow, 1)).release()


async def test_result_tokens_count_and_a_used_up_budget_refuses_the_next_call(limits: Limiter) -> None:
    right = ToolRight("a", tokens_per_minute=300)
    ticket = await limits.admit(KARI, "a", right, 100)
    states = []
    for tokens in (100, 250):
        await ticket.charge(tokens)
        states.append(ticket.exhausted)
    used_up = ReachedLimit("grants[].limits.tokens_per_minute", 300, 450, 30)
    assert states == [None, used_up]
    await ticket.release()
    assert await refused(limits, KARI, right, 1) == ("grants[].limits.tokens_per_minute", 31)
    # The other tool has its own budget; both draw on the principal's.
    assert await refused(limits, KARI, ToolRight("b"), 151) == ("principal_tokens_per_minute", 1)
    await limits.admit(KARI, "b", ToolRight("b"), 150)


async def test_what_a_result_owes_is_charged_once_when_the_call_is_released(limits: Limiter) -> None:
    ticket = await limits.admit(KARI, None, None, 100)
    ticket.owe(200)
    ticket.owe(250)
    await ticket.release()
    await ticket.release()
    assert await refused(limits, KARI, None, 51) == ("principal_tokens_per_minute", 1)
    # A list holds no place, and what it gives is charged all the same.
    listing = await limits.admit_structural(KARI, 0)
    listing.owe(100)
    await listing.release()
    assert await refused(limits, KARI, None, 1) == ("principal_tokens_per_minute", 6)


async def test_request_above_the_whole_budget_is_refused_for_good(limits: Limiter) -> None:
    assert await refused(limits, KARI, None, 601) == ("principal_tokens_per_minute", None)


async def test_refused_call_costs_nothing_and_holds_no_place(limits: Limiter) -> None:
    slow = ToolRight("slow", requests_per_minute=1)
    await limits.admit(KARI, "slow", slow, 0)
    for _ in range(5):
        assert await refused(limits, KARI, slow, 600) == ("grants[].limits.requests_per_minute", 60)
    await limits.admit(KARI, None, None, 600)


async def test_redis_that_does_not_answer_refuses_calls_and_ends_streams(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        counters = RedisCounters(server.url, None, "dev.one", timeout=PATIENT)
        limits = Limiter(SETTINGS, counters)
        ticket = await limits.admit(KARI, None, None, 1)
        await ticket.charge(1)
        before = ticket.exhausted
    assert await refused(limits, KARI, None, 1) == ("guard.redis", 1)
    await ticket.charge(1)
    assert (before, ticket.exhausted) == (None, UNCOUNTED)
    await ticket.release()
    await counters.close()


def test_tokens_are_a_quarter_of_the_bytes_rounded_up() -> None:
    assert [estimate(size) for size in (0, 1, 4, 5, 4000)] == [0, 1, 1, 2, 1000]


def test_owed_tokens_are_reported_once() -> None:
    budget = ServerBudget()
    budget.owe(5)
    budget.owe(7)
    assert (budget.settle(1, None), budget.settle(1, None)) == (13, 1)


def test_no_more_is_reported_than_is_left_and_the_rest_is_forgiven() -> None:
    budget = ServerBudget()
    budget.owe(100)
    assert (budget.settle(50, 120), budget.settle(5, 120)) == (120, 5)


@pytest.mark.parametrize("remaining", [0, -1, -62113])
def test_nothing_is_reported_once_nothing_is_left_and_it_stays_owed(remaining: int) -> None:
    budget = ServerBudget()
    budget.owe(100)
    assert (budget.settle(5, remaining), budget.settle(5, 1000)) == (0, 110)


#: As a real Kong 3.9.3 wrote it, and what no number of Lua's looks like.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("200000", 200_000),
        ("0", 0),
        ("-20", -20),
        ("-62113", -62_113),
        ("135.5", 135),
        ("-0.5", -1),
        ("1e+15", 10**15),
        (None, None),
        ("", None),
        ("abc", None),
        ("nan", None),
        ("inf", None),
        ("0x10", None),
        ("1,2", None),
        ("--1", None),
        (" 5", None),
        ("\u0665", None),
    ],
)
def test_kongs_remainder_is_read_strictly(text: str | None, tokens: int | None) -> None:
    assert read_remaining(text) == tokens


@pytest.mark.parametrize(("time", "wait"), [(0.0, 60), (59.2, 1), (60.0, 60), (90.5, 30)])
def test_kongs_budget_is_full_again_with_the_clocks_next_minute(time: float, wait: int) -> None:
    assert seconds_to_next_minute(time) == wait
