"""Budgets and slots: the same rules in memory and in a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from guard.decide.counters import Charge, Counters, CountersUnavailable, MemoryCounters, Short, Slot
from guard.decide.redis_counters import RedisCounters
from tests.support.redis_server import PATIENT, RedisServer
from tests.support.token_issuer import Clock
from tests.support.waiting import eventually

FIRST, SECOND = Slot("person:a", "t1", 2), Slot("person:a", "t2", 2)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, password="hunter2") as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    opened: Counters
    if request.param == "memory":
        opened = MemoryCounters(Clock())
    else:
        server: RedisServer = request.getfixturevalue("redis")
        opened = RedisCounters(server.url, "hunter2", "dev.one", timeout=PATIENT)
    yield opened
    await opened.close()


@pytest.fixture
def about() -> Callable[[float], object]:
    """A figure that falls or rises by one a second, as Redis's clock goes on while the test runs."""
    begun = time.monotonic()
    return lambda value: pytest.approx(value, abs=1 + time.monotonic() - begun)


def charge(amount: float, most: int = 60, owner: str = "person:a") -> Charge:
    return Charge(("tokens", owner), most, amount)


async def test_budget_is_spent_and_the_wait_is_named(counters: Counters, about: Callable[[float], object]) -> None:
    assert await counters.take(FIRST, [charge(50)]) is None
    short = await counters.take(SECOND, [charge(30)])
    assert short is not None
    assert short.limit == "tokens"
    assert short.wait == about(20)
    assert await counters.take(SECOND, [charge(30, owner="person:b")]) is None


async def test_nothing_is_taken_when_one_of_several_is_short(counters: Counters) -> None:
    request = Charge(("requests", "person:a", "tool"), 1, 1)
    assert await counters.take(FIRST, [request]) is None
    for _ in range(3):
        short = await counters.take(SECOND, [charge(40), request])
        assert short is not None
        assert short.limit == "requests"
    assert await counters.take(SECOND, [charge(60)]) is None


async def test_charge_above_a_whole_budget_never_fits(counters: Counters) -> None:
    assert await counters.take(FIRST, [charge(61)]) == Short("tokens", None, 60, 0)


async def test_budget_may_go_below_zero_and_then_takes_longer_to_refill(
    counters: Counters, about: Callable[[float], object]
) -> None:
    await counters.take(FIRST, [charge(10)])
    assert await counters.charge(FIRST, [charge(20)]) is None
    used_up = await counters.charge(FIRST, [charge(90)])
    assert used_up is not None
    assert (used_up.limit, used_up.most) == ("tokens", 60)
    assert used_up.wait == about(60)
    assert used_up.used == about(120)
    short = await counters.take(SECOND, [charge(0)])
    assert short is not None
    assert short.wait == about(60)


async def test_a_budget_of_an_hour_refills_within_an_hour(counters: Counters, about: Callable[[float], object]) -> None:
    hourly = Charge(("requests", "person:a"), 10, 1, 3600)
    for _ in range(10):
        assert await counters.spend([hourly]) is None
    short = await counters.spend([charge(1), hourly])
    assert short is not None
    assert (short.limit, short.most) == ("requests", 10)
    assert short.wait == about(360)
    assert short.used == pytest.approx(10, abs=0.1)


async def test_spending_takes_no_slot_and_nothing_when_short(
    counters: Counters, about: Callable[[float], object]
) -> None:
    assert await counters.spend([charge(50)]) is None
    short = await counters.spend([charge(30)])
    assert short is not None
    assert short.limit == "tokens"
    assert short.wait == about(20)
    for slot in (FIRST, SECOND):
        assert await counters.take(slot, []) is None


async def test_draining_takes_what_is_left_and_no_more(counters: Counters, about: Callable[[float], object]) -> None:
    assert await counters.drain(charge(20)) == about(20)
    assert await counters.drain(charge(1000)) == about(40)
    assert await counters.drain(charge(1000)) == about(0)
    short = await counters.spend([charge(10)])
    assert short is not None
    assert short.wait == about(10)


async def test_slots_are_counted_per_owner_until_released(counters: Counters) -> None:
    third, foreign = Slot("person:a", "t3", 2), Slot("person:b", "t4", 2)
    assert await counters.take(FIRST, []) is None
    assert await counters.take(SECOND, []) is None
    assert await counters.take(third, []) == Short("concurrency", 1.0, 2, 2)
    assert await counters.take(foreign, []) is None
    await counters.release(SECOND)
    await counters.release(SECOND)
    assert await counters.take(third, []) is None
    assert await counters.take(SECOND, []) == Short("concurrency", 1.0, 2, 2)


async def test_a_release_takes_its_charges_in_the_same_step_even_below_zero(
    counters: Counters, about: Callable[[float], object]
) -> None:
    assert await counters.take(FIRST, [charge(10)]) is None
    assert await counters.take(SECOND, []) is None
    await counters.release(FIRST, [charge(80)])
    short = await counters.take(FIRST, [charge(0)])
    assert short is not None
    assert (short.limit, short.most) == ("tokens", 60)
    assert short.wait == about(30)
    # The place is free, and charging did not renew it.
    assert await counters.take(FIRST, []) is None


async def test_memory_budget_refills_evenly_and_never_above_a_minutes_worth() -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    await counters.take(FIRST, [charge(60)])
    clock.now += 10
    short = await counters.take(SECOND, [charge(11)])
    assert short is not None
    assert short.wait == pytest.approx(1)
    assert await counters.take(SECOND, [charge(10)]) is None
    clock.now += 3600
    await counters.release(FIRST)
    assert await counters.take(FIRST, [charge(61)]) == Short("tokens", None, 60, 0)


async def test_full_memory_refuses_newcomers_and_forgets_only_refilled_budgets() -> None:
    clock = Clock()
    counters = MemoryCounters(clock, most=2)
    await counters.take(Slot("a", "1", 9), [charge(60, owner="a")])
    await counters.take(Slot("b", "2", 9), [charge(30, owner="b")])
    with pytest.raises(CountersUnavailable):
        await counters.take(Slot("c", "3", 9), [charge(1, owner="c")])
    clock.now += 31
    assert await counters.take(Slot("c", "3", 9), [charge(1, owner="c")]) is None
    # The busy one was not given a fresh budget.
    short = await counters.take(Slot("a", "4", 9), [charge(60, owner="a")])
    assert short is not None
    assert short.wait == pytest.approx(29)


async def test_redis_replicas_share_budgets_and_servers_do_not(redis: RedisServer) -> None:
    names = ("dev.one", "dev.one", "dev.two")
    first, second, separate = (RedisCounters(redis.url, "hunter2", name, timeout=PATIENT) for name in names)
    # Of an hour, so that none of it comes back while a busy machine takes its time.
    tenth = Charge(("requests", "a"), 60, 10, 3600)
    takes = [counters.take(Slot("a", str(n), 99), [tenth]) for n, counters in enumerate([first, second] * 10)]
    results = await asyncio.gather(*takes)
    assert [result is None for result in results].count(True) == 6
    assert await separate.take(Slot("a", "x", 99), [Charge(tenth.key, 60, 60, 3600)]) is None
    for counters in (first, second, separate):
        await counters.close()


async def test_redis_holds_no_principal_in_clear(redis: RedisServer) -> None:
    counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=PATIENT)
    await counters.take(FIRST, [charge(1)])
    keys = await counters._redis.keys("*")
    assert len(keys) == 2
    assert not [key for key in keys if b"person" in key]
    for key in keys:
        assert 0 < await counters._redis.ttl(key) <= 900
    await counters.close()


@pytest.mark.parametrize("fault", ["stopped", "wrong password"])
async def test_redis_that_cannot_be_asked_refuses(redis: RedisServer, fault: str) -> None:
    counters = RedisCounters(redis.url, "hunter2" if fault == "stopped" else "wrong", "dev.one")
    if fault == "stopped":
        redis.stop()
    with pytest.raises(CountersUnavailable):
        await counters.take(FIRST, [charge(1)])
    await counters.release(FIRST)
    await counters.close()


async def test_what_redis_missed_is_counted_once_it_answers_again(redis: RedisServer) -> None:
    counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=2)
    assert await counters.take(Slot("a", "1", 1), [charge(1)]) is None
    redis.pause()
    with pytest.raises(CountersUnavailable):
        await counters.take(Slot("b", "2", 1), [charge(1, owner="b")])
    await counters.release(Slot("a", "1", 1))
    redis.resume()
    assert await counters.take(Slot("a", "3", 1), [charge(1)]) is None
    await counters.close()


async def test_slot_that_redis_gave_too_late_is_given_back(redis: RedisServer) -> None:
    counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=2)
    assert await counters.take(Slot("b", "0", 1), [charge(1)]) is None
    redis.pause()
    with pytest.raises(CountersUnavailable):
        await counters.take(Slot("a", "1", 1), [charge(1)])
    redis.resume()

    async def taken_late() -> bool:
        return bool(await counters._redis.zcard(counters._key("slots", "a")) == 1)

    taken: bool = await eventually(taken_late, "Redis has run the script that was not waited for")
    assert taken
    assert await counters.take(Slot("a", "2", 1), [charge(1)]) is None
    await counters.close()


async def test_result_tokens_that_redis_missed_are_owed(redis: RedisServer, about: Callable[[float], object]) -> None:
    counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=PATIENT)
    await counters.take(FIRST, [charge(1)])
    # As after a failover: a replica takes no writes, so it has certainly not counted.
    await counters._redis.replicaof("127.0.0.1", "1")
    with pytest.raises(CountersUnavailable):
        await counters.charge(FIRST, [charge(120)])
    await counters._redis.replicaof("NO", "ONE")
    short = await counters.take(SECOND, [charge(1)])
    assert short is not None
    assert short.wait == about(62)
    # Owed once, not at every call.
    repeated = await counters.take(SECOND, [charge(1)])
    assert repeated is not None
    assert repeated.wait == about(62)
    await counters.close()


async def test_a_release_that_redis_missed_is_owed_with_its_place(
    redis: RedisServer, about: Callable[[float], object]
) -> None:
    counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=PATIENT)
    only = Slot("person:a", "t1", 1)
    await counters.take(only, [charge(1)])
    await counters._redis.replicaof("127.0.0.1", "1")
    await counters.release(only, [charge(120)])
    await counters._redis.replicaof("NO", "ONE")
    short = await counters.take(Slot("person:a", "t2", 1), [charge(1)])
    assert short is not None
    assert (short.limit, short.wait) == ("tokens", about(62))
    assert await counters.take(Slot("person:a", "t2", 1), []) is None
    await counters.close()
