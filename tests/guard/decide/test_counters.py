"""Budgets and slots: the same rules in memory and in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from guard.decide.counters import Charge, Counters, CountersUnavailable, MemoryCounters, Short, Slot
from guard.decide.redis_counters import RedisCounters
from tests.support.redis_server import RedisServer
from tests.support.token_issuer import Clock

ONE, TWO = Slot("person:a", "t1", 2), Slot("person:a", "t2", 2)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, password="hunter2") as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Callable[[], Counters]:
    if request.param == "memory":
        return lambda: MemoryCounters(Clock())
    server: RedisServer = request.getfixturevalue("redis")
    return lambda: RedisCounters(server.url, "hunter2", "dev.one")


def run(make: Callable[[], Counters], steps: Callable[[Counters], Awaitable[None]]) -> None:
    async def main() -> None:
        counters = make()
        try:
            await steps(counters)
        finally:
            await counters.close()

    asyncio.run(main())


def charge(amount: float, per_minute: int = 60, whose: str = "person:a") -> Charge:
    return Charge(("tokens", whose), per_minute, amount)


def test_budget_is_spent_and_the_wait_is_named(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        assert await counters.take(ONE, [charge(50)]) is None
        short = await counters.take(TWO, [charge(30)])
        assert short is not None
        assert short.limit == "tokens"
        assert short.wait == pytest.approx(20, abs=1)
        assert await counters.take(TWO, [charge(30, whose="person:b")]) is None

    run(make, steps)


def test_nothing_is_taken_when_one_of_several_is_short(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        other = Charge(("requests", "person:a", "tool"), 1, 1)
        assert await counters.take(ONE, [other]) is None
        for _ in range(3):
            short = await counters.take(TWO, [charge(40), other])
            assert short is not None
            assert short.limit == "requests"
        assert await counters.take(TWO, [charge(60)]) is None

    run(make, steps)


def test_charge_above_a_whole_budget_never_fits(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        assert await counters.take(ONE, [charge(61)]) == Short("tokens", None)

    run(make, steps)


def test_budget_may_go_below_zero_and_then_takes_longer_to_refill(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        await counters.take(ONE, [charge(10)])
        assert await counters.charge(ONE, [charge(20)]) is False
        assert await counters.charge(ONE, [charge(90)]) is True
        short = await counters.take(TWO, [charge(0)])
        assert short is not None
        assert short.wait == pytest.approx(60, abs=1)

    run(make, steps)


def test_spending_takes_no_slot_and_nothing_when_short(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        assert await counters.spend(charge(50)) is None
        short = await counters.spend(charge(30))
        assert short is not None
        assert short.limit == "tokens"
        assert short.wait == pytest.approx(20, abs=1)
        for slot in (ONE, TWO):
            assert await counters.take(slot, []) is None

    run(make, steps)


def test_draining_takes_what_is_left_and_no_more(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        assert await counters.drain(charge(20)) == pytest.approx(20, abs=1)
        assert await counters.drain(charge(1000)) == pytest.approx(40, abs=1)
        assert await counters.drain(charge(1000)) == pytest.approx(0, abs=1)
        short = await counters.spend(charge(10))
        assert short is not None
        assert short.wait == pytest.approx(10, abs=1.5)

    run(make, steps)


def test_slots_are_counted_per_owner_until_released(make: Callable[[], Counters]) -> None:
    async def steps(counters: Counters) -> None:
        third, other = Slot("person:a", "t3", 2), Slot("person:b", "t4", 2)
        assert await counters.take(ONE, []) is None
        assert await counters.take(TWO, []) is None
        assert await counters.take(third, []) == Short("concurrency", 1.0)
        assert await counters.take(other, []) is None
        await counters.release(TWO)
        await counters.release(TWO)
        assert await counters.take(third, []) is None
        assert await counters.take(TWO, []) == Short("concurrency", 1.0)

    run(make, steps)


def test_memory_budget_refills_evenly_and_never_above_a_minutes_worth() -> None:
    clock = Clock()

    async def steps() -> None:
        counters = MemoryCounters(clock)
        await counters.take(ONE, [charge(60)])
        clock.now += 10
        short = await counters.take(TWO, [charge(11)])
        assert short is not None
        assert short.wait == pytest.approx(1)
        assert await counters.take(TWO, [charge(10)]) is None
        clock.now += 3600
        await counters.release(ONE)
        assert await counters.take(ONE, [charge(61)]) == Short("tokens", None)

    asyncio.run(steps())


def test_full_memory_refuses_newcomers_and_forgets_only_refilled_budgets() -> None:
    clock = Clock()

    async def steps() -> None:
        counters = MemoryCounters(clock, most=2)
        await counters.take(Slot("a", "1", 9), [charge(60, whose="a")])
        await counters.take(Slot("b", "2", 9), [charge(30, whose="b")])
        with pytest.raises(CountersUnavailable):
            await counters.take(Slot("c", "3", 9), [charge(1, whose="c")])
        clock.now += 31
        assert await counters.take(Slot("c", "3", 9), [charge(1, whose="c")]) is None
        # The busy one was not given a fresh budget.
        short = await counters.take(Slot("a", "4", 9), [charge(60, whose="a")])
        assert short is not None
        assert short.wait == pytest.approx(29)

    asyncio.run(steps())


def test_redis_replicas_share_budgets_and_servers_do_not(redis: RedisServer) -> None:
    async def steps() -> None:
        first, second, other = (RedisCounters(redis.url, "hunter2", name) for name in ("dev.one", "dev.one", "dev.two"))
        takes = [counters.take(Slot("a", str(n), 99), [charge(10)]) for n, counters in enumerate([first, second] * 10)]
        results = await asyncio.gather(*takes)
        assert [result is None for result in results].count(True) == 6
        assert await other.take(Slot("a", "x", 99), [charge(60)]) is None
        for counters in (first, second, other):
            await counters.close()

    asyncio.run(steps())


def test_redis_holds_no_principal_in_clear(redis: RedisServer) -> None:
    async def steps() -> None:
        counters = RedisCounters(redis.url, "hunter2", "dev.one")
        await counters.take(ONE, [charge(1)])
        keys = await counters._redis.keys("*")
        assert len(keys) == 2
        assert not [key for key in keys if b"person" in key]
        for key in keys:
            assert 0 < await counters._redis.ttl(key) <= 900
        await counters.close()

    asyncio.run(steps())


@pytest.mark.parametrize("way", ["stopped", "wrong password"])
def test_redis_that_cannot_be_asked_refuses(redis: RedisServer, way: str) -> None:
    async def steps() -> None:
        counters = RedisCounters(redis.url, "hunter2" if way == "stopped" else "wrong", "dev.one")
        if way == "stopped":
            redis.stop()
        with pytest.raises(CountersUnavailable):
            await counters.take(ONE, [charge(1)])
        await counters.release(ONE)
        await counters.close()

    asyncio.run(steps())


def test_what_redis_missed_is_counted_once_it_answers_again(redis: RedisServer) -> None:
    async def steps() -> None:
        counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=0.1)
        assert await counters.take(Slot("a", "1", 1), [charge(1)]) is None
        redis.pause()
        with pytest.raises(CountersUnavailable):
            await counters.take(Slot("b", "2", 1), [charge(1, whose="b")])
        await counters.release(Slot("a", "1", 1))
        redis.resume()
        assert await counters.take(Slot("a", "3", 1), [charge(1)]) is None
        await counters.close()

    asyncio.run(steps())


def test_slot_that_redis_gave_too_late_is_given_back(redis: RedisServer) -> None:
    async def steps() -> None:
        counters = RedisCounters(redis.url, "hunter2", "dev.one", timeout=0.1)
        assert await counters.take(Slot("b", "0", 1), [charge(1)]) is None
        redis.pause()
        with pytest.raises(CountersUnavailable):
            await counters.take(Slot("a", "1", 1), [charge(1)])
        redis.resume()
        async with asyncio.timeout(10):
            while await counters._redis.zcard(counters._key("slots", "a")) != 1:
                await asyncio.sleep(0.01)
        assert await counters.take(Slot("a", "2", 1), [charge(1)]) is None
        await counters.close()

    asyncio.run(steps())


def test_result_tokens_that_redis_missed_are_owed(redis: RedisServer) -> None:
    async def steps() -> None:
        counters = RedisCounters(redis.url, "hunter2", "dev.one")
        await counters.take(ONE, [charge(1)])
        # As after a failover: a replica takes no writes, so it has certainly not counted.
        await counters._redis.replicaof("127.0.0.1", "1")
        with pytest.raises(CountersUnavailable):
            await counters.charge(ONE, [charge(60)])
        await counters._redis.replicaof("NO", "ONE")
        short = await counters.take(TWO, [charge(1)])
        assert short is not None
        assert short.wait == pytest.approx(2, abs=1)
        # Owed once, not at every call.
        again = await counters.take(TWO, [charge(1)])
        assert again is not None
        assert again.wait == pytest.approx(2, abs=1)
        await counters.close()

    asyncio.run(steps())
