"""Budgets of models: counted as the provider counts, taken before, settled after, and overshot by one call at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from guard.decide.counters import Counters, MemoryCounters
from guard.decide.limits import Limited
from guard.decide.redis_counters import RedisCounters
from guard.models.budgets import UNBOUNDED, ModelBudgets, limit_json, limit_text
from guard.models.usage import ModelUsage, amount_of, read_usage
from model.model_route import Price
from tests.support.model_guard import ASK, WIDE, route_guarded
from tests.support.model_provider import Provider, Said
from tests.support.redis_server import PATIENT, RedisServer
from tests.support.route_guard import route_config, small
from tests.support.token_issuer import Clock

SENTENCE = "one two three four five six seven eight nine ten "


# -- by the official client ------------------------------------------------------------------------------------------------


async def loop(client: openai.AsyncOpenAI) -> None:
    while True:
        await client.chat.completions.create(model="small", messages=ASK)


async def test_a_runaway_loop_is_cut_and_goes_on_when_time_has_passed(tmp_path: Path) -> None:
    """Each call takes 6 tokens; the budget is full with 60 and refills with one a second."""
    limits = {**WIDE, "principal": {"tokens_per_minute": 60}}
    async with route_guarded(tmp_path, limits=limits) as guard, guard.client() as client:
        started = time.monotonic()
        with pytest.raises(openai.RateLimitError) as cut:
            await loop(client)
        assert len(guard.provider.billed) >= 8
        assert sum(map(sum, guard.provider.billed)) <= 60 + 6 + (time.monotonic() - started)
        assert "limits.principal.tokens_per_minute" in cut.value.message
        assert cut.value.code == "rate_limit_exceeded"
        wait = int(cut.value.response.headers["retry-after"])
        assert 1 <= wait <= 10
        async with guard.client(max_retries=3) as patient:
            # The client waits as it is told, and then there is room again.
            assert (await patient.chat.completions.create(model="small", messages=ASK)).model == "small"
        refused = [record for record in guard.records() if record["decision"] == "refuse"]
        assert refused[0]["limit"]["limit"] == "limits.principal.tokens_per_minute"


async def test_tokens_are_the_providers_own_figures_in_json_and_streams(tmp_path: Path) -> None:
    def usage(tokens_in: int, tokens_out: int) -> dict[str, Any]:
        return {
            "prompt_tokens": tokens_in + 1000,
            "completion_tokens": tokens_out + 500,
            "total_tokens": tokens_in + tokens_out + 1500,
            "prompt_tokens_details": {"cached_tokens": 900},
            "completion_tokens_details": {"reasoning_tokens": 450},
        }

    limits = {**WIDE, "principal": {"tokens_per_day": 10_000}}
    provider = Provider(lambda body: Said([SENTENCE] * 3, usage=usage))
    async with route_guarded(tmp_path, provider, limits=limits) as guard:
        for stream in (False, True, False):
            assert (await guard.ask(stream=stream)).status_code == 200
        recorded = [record["usage"] for record in guard.records() if "usage" in record]
        assert recorded == [{"input": 1004, "output": 530, "cached": 900, "reasoning": 450}] * 3
        budgets = guard.service.runtime.policy.budgets
        with pytest.raises(Limited) as short:
            await budgets.reserve("person:ada", (0,), guard.config.models[0], 9_000, 0)
        assert short.value.reached.used == pytest.approx(3 * 1534, abs=1)
        metrics = guard.service.runtime.metrics.text().decode()
        assert 'ringwall_guard_model_tokens_total{direction="request",model="small"} 3012.0' in metrics
        assert 'ringwall_guard_model_tokens_total{direction="result",model="small"} 1590.0' in metrics


async def test_calls_side_by_side_overshoot_by_one_at_most(tmp_path: Path) -> None:
    """An answer has 300 tokens, nothing bounds it beforehand, and 500 are left."""
    limits = {"all": WIDE["all"], "principal": {"tokens_per_day": 500}, "concurrency": 20}
    provider = Provider(lambda body: Said([SENTENCE] * 30))
    async with route_guarded(tmp_path, provider, limits=limits) as guard:
        answers = await asyncio.gather(*(guard.ask() for _ in range(12)))
        assert [answer.status_code for answer in answers].count(200) == 1
        for _ in range(5):
            await guard.ask()
        assert sum(map(sum, provider.billed)) <= 500 + 304


async def test_a_bound_of_the_request_is_what_it_takes_beforehand(tmp_path: Path) -> None:
    limits = {"all": WIDE["all"], "principal": {"tokens_per_day": 1000}, "concurrency": 20}
    async with route_guarded(tmp_path, limits=limits) as guard:
        answers = await asyncio.gather(*(guard.ask(max_tokens=200) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4


async def test_costs_are_exact_and_a_budget_of_them_ends(tmp_path: Path) -> None:
    """A call takes 4 tokens at 2.5 and 2 at 10.000001 a million: 0.000030000002 of the currency."""
    models = [small(price={"input": "2.5", "output": "10.000001"})]
    limits = {**WIDE, "principal": {"cost_per_day": "0.0001"}}
    async with route_guarded(tmp_path, models=models, limits=limits) as guard:
        answers = [await guard.ask(max_tokens=2) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429, 429]
        used = [record["usage"] for record in guard.records() if "usage" in record]
        assert used == [{"input": 4, "output": 2, "cost": "0.000030000002"}] * 3
        error = answers[-1].json()["error"]
        assert "limits.principal.cost_per_day is reached: 0.0001 cost a day" in error["message"]
        limit = guard.records()[-1]["limit"]
        assert (limit["limit"], limit["most"]) == ("limits.principal.cost_per_day", "0.0001")


async def test_what_was_blocked_or_failed_gives_its_tokens_back(tmp_path: Path) -> None:
    limits = {**WIDE, "principal": {"tokens_per_day": 100, "requests_per_day": 10}}
    async with route_guarded(tmp_path, limits=limits) as guard:
        for _ in range(6):
            assert (await guard.ask([{"role": "user", "content": "AKIA" + "Z7QX3M5K9P2R4T6W"}])).status_code == 400
        assert (await guard.ask()).status_code == 200
        for _ in range(3):
            await guard.ask()
        refused = await guard.ask()
        # The requests do count.
        assert "limits.principal.requests_per_day is reached: 10 requests a day, 10 used" in refused.text


async def test_a_provider_that_counts_nothing_is_estimated_and_the_record_says_so(tmp_path: Path) -> None:
    provider = Provider(lambda body: Said([SENTENCE], counts=False))
    async with route_guarded(tmp_path, provider) as guard:
        for stream in (False, True):
            await guard.ask(stream=stream)
        used = [record["usage"] for record in guard.records() if "usage" in record]
        assert all(usage["estimated"] for usage in used)
        assert all(10 <= usage["output"] <= 40 for usage in used)


async def test_the_gateway_is_told_the_same_tokens_a_streams_with_the_next_answer(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        assert (await guard.ask()).headers["x-kong-limit"] == "tokens=6"
        assert (await guard.ask(stream=True)).headers["x-kong-limit"] == "tokens=0"
        assert (await guard.ask()).headers["x-kong-limit"] == "tokens=12"


async def test_the_routes_bound_of_an_answer_is_set_and_a_larger_one_refused(tmp_path: Path) -> None:
    models = [small(max_output_tokens=100), small(name="old", inner_host="old.internal", bound="max_tokens")]
    models[1]["max_output_tokens"] = 50
    grants = [{"to": {"all": True}, "models": ["small", "old"]}]
    async with route_guarded(tmp_path, models=models, grants=grants) as guard:
        await guard.ask()
        await guard.ask(max_tokens=20)
        await guard.ask(model="old")
        sent = [{n: v for n, v in body.items() if n.startswith("max")} for body in guard.provider.bodies]
        assert sent == [{"max_completion_tokens": 100}, {"max_tokens": 20}, {"max_tokens": 50}]
        refused = await guard.ask(max_completion_tokens=101)
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, "max_completion_tokens")
        assert "at most 100 output tokens of small" in error["message"]


# -- the arithmetic --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    if request.param == "memory":
        yield MemoryCounters(time.monotonic)
        return
    server: RedisServer = request.getfixturevalue("redis")
    shared = RedisCounters(server.url, None, f"dev.{request.node.name}", timeout=PATIENT)
    yield shared
    await shared.close()


async def test_a_reservation_takes_the_most_and_settles_the_real(counters: Counters) -> None:
    config = route_config(limits={"principal": {"tokens_per_day": 1000}, "all": {"tokens_per_day": 1500}})
    budgets, model = ModelBudgets(config, counters), config.models[0]
    first = await budgets.reserve("person:ada", (0,), model, 100, 700)
    with pytest.raises(Limited) as short:
        await budgets.reserve("person:ada", (0,), model, 300, 0)
    assert short.value.reached.key == "limits.principal.tokens_per_day"
    assert short.value.reached.used == 800
    await first.settle(ModelUsage(90, 10))
    await first.settle(ModelUsage(9000, 1))
    await first.release()
    second = await budgets.reserve("person:ada", (0,), model, 300, 0)
    await second.settle(ModelUsage(300, 0))
    await second.release()
    with pytest.raises(Limited) as everyone:
        await budgets.reserve("person:bob", (0,), model, 1200, 0)
    assert everyone.value.reached.retry_after_seconds is None
    other = await budgets.reserve("person:bob", (0,), model, 900, 100)
    await other.settle(ModelUsage(900, 100))
    with pytest.raises(Limited) as everyone:
        await budgets.reserve("person:eve", (0,), model, 200, 0)
    assert everyone.value.reached.key == "limits.all.tokens_per_day"
    assert everyone.value.reached.used == pytest.approx(1400, abs=1)


async def test_a_request_takes_the_rest_where_less_is_left_than_it_may_cost(counters: Counters) -> None:
    config = route_config(limits={"principal": {"tokens_per_day": 1000}, "all": {}})
    budgets, model = ModelBudgets(config, counters), config.models[0]
    first = await budgets.reserve("person:ada", (0,), model, 10, None)
    assert UNBOUNDED > 1000
    with pytest.raises(Limited):
        await budgets.reserve("person:ada", (0,), model, 10, 1)
    await first.release()
    again = await budgets.reserve("person:ada", (0,), model, 10, 1)
    await again.release()


async def test_places_in_flight_are_given_back(counters: Counters) -> None:
    config = route_config(limits={"principal": {}, "all": {}, "concurrency": 1})
    budgets, model = ModelBudgets(config, counters), config.models[0]
    first = await budgets.reserve("person:ada", (0,), model, 10, 1)
    with pytest.raises(Limited) as full:
        await budgets.reserve("person:ada", (0,), model, 10, 1)
    assert full.value.reached.key == "limits.concurrency"
    await (await budgets.reserve("person:bob", (0,), model, 10, 1)).release()
    await first.release()
    await (await budgets.reserve("person:ada", (0,), model, 10, 1)).release()


async def test_of_several_grants_the_most_generous_counts_figure_by_figure() -> None:
    everyone = {"all": True}
    grants = [
        {"to": everyone, "models": ["small"], "budget": {"tokens_per_day": 100, "requests_per_hour": 1}},
        {"to": everyone, "models": ["small"], "budget": {"tokens_per_day": 500, "requests_per_hour": 2}},
        {"to": everyone, "models": ["small"], "budget": {"tokens_per_day": 200}},
    ]
    config = route_config(grants=grants, limits={"principal": {}, "all": {}})
    budgets, model = ModelBudgets(config, MemoryCounters(Clock())), config.models[0]
    for _ in range(4):  # the third grant counts no requests
        await (await budgets.reserve("person:ada", (0, 1, 2), model, 100, 0)).settle(ModelUsage(100))
    with pytest.raises(Limited) as short:
        await budgets.reserve("person:ada", (0, 1, 2), model, 101, 0)
    assert short.value.reached.key == "grants.1.budget.tokens_per_day"
    await (await budgets.reserve("person:bob", (0,), model, 100, 0)).settle(ModelUsage(100))
    with pytest.raises(Limited) as requests:
        await budgets.reserve("person:bob", (0,), model, 0, 0)
    assert requests.value.reached.key == "grants.0.budget.requests_per_hour"


async def test_a_budget_refills_evenly_and_says_when_to_come_again() -> None:
    clock = Clock(0.0)
    config = route_config(limits={"principal": {"tokens_per_hour": 3600}, "all": {}})
    budgets, model = ModelBudgets(config, MemoryCounters(clock)), config.models[0]
    await (await budgets.reserve("person:ada", (0,), model, 3600, 0)).settle(ModelUsage(3600))
    with pytest.raises(Limited) as short:
        await budgets.reserve("person:ada", (0,), model, 100, 50)
    assert short.value.reached.retry_after_seconds == 100
    assert limit_text(short.value.reached) == (
        "The limit limits.principal.tokens_per_hour is reached: 3600 tokens a hour, 3600 used. Try again in 100 s."
    )
    clock.now += 100
    await (await budgets.reserve("person:ada", (0,), model, 100, 50)).release()


async def test_a_cost_is_shown_as_the_stack_file_writes_it() -> None:
    config = route_config(
        models=[small(price={"input": "999999"})], limits={"principal": {"cost_per_hour": "2.50"}, "all": {}}
    )
    budgets, model = ModelBudgets(config, MemoryCounters(Clock())), config.models[0]
    await (await budgets.reserve("person:ada", (0,), model, 1, 0)).settle(ModelUsage(1))
    with pytest.raises(Limited) as short:
        await budgets.reserve("person:ada", (0,), model, 2, 0)
    assert limit_json(short.value.reached)["most"] == "2.5"
    assert limit_json(short.value.reached)["used"] == "0.999999"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, (5, 7)),
        ({"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}, (5, 7)),
        ({"prompt_tokens": 5, "total_tokens": 5}, (5, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 40}, (5, 35)),
    ],
)
def test_usage_is_read_in_the_words_of_every_kind(usage: dict[str, Any], tokens: tuple[int, int]) -> None:
    read = read_usage(usage)
    assert read is not None
    assert (read.input, read.output) == tokens


@pytest.mark.parametrize(
    "usage", [None, {}, [], {"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": True, "total_tokens": 1}]
)
def test_what_is_no_usage_is_none(usage: Any) -> None:
    assert read_usage(usage) is None


@pytest.mark.parametrize(
    ("pico", "text"), [(0, "0"), (1, "0.000000000001"), (2_500_000_000_000, "2.5"), (10**15, "1000")]
)
def test_amounts_are_written_without_rounding(pico: int, text: str) -> None:
    assert amount_of(pico) == text


def test_a_cost_of_two_prices_is_exact() -> None:
    price = Price(input="0.15", output="0.6")
    assert amount_of(ModelUsage(1_234_567, 89).cost(price)) == "0.18523845"
