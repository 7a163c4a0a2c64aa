"""Answers that the guard keeps: to an identical request without chance, for its sender unless shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guard.bundle.bundle import Opened
from tests.support.model_guard import ASK, WIDE, route_guarded
from tests.support.model_provider import Provider, Said


async def test_an_identical_request_without_chance_is_answered_from_the_cache_and_costs_no_tokens(
    tmp_path: Path,
) -> None:
    limits = {**WIDE, "principal": {"tokens_per_day": 1000, "requests_per_day": 6}}
    async with route_guarded(tmp_path, cache={"lifetime": "5m"}, limits=limits) as guard:
        first = await guard.ask(temperature=0)
        second = await guard.ask(temperature=0)
        assert second.json() == first.json()
        assert (second.headers["ringwall-cache"], second.headers["x-kong-limit"]) == ("hit", "tokens=0")
        assert len(guard.provider.seen) == 1
        assert guard.decisions()[-1] == ("allow", "cached", None)
        async with guard.client() as client:
            stream: Any = await client.chat.completions.create(
                model="small", messages=ASK, temperature=0, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Good morning."
        assert chunks[-1].usage.total_tokens == 6
        assert len(guard.provider.seen) == 1
        for members in ({"temperature": 0, "seed": 1}, {"temperature": 0.1}, {}):
            assert "ringwall-cache" not in (await guard.ask(**members)).headers
        # What comes from the cache counts as a request.
        assert "requests_per_day" in (await guard.ask(temperature=0)).text


async def test_what_was_cut_out_or_withheld_is_not_kept_and_another_configuration_begins_anew(tmp_path: Path) -> None:
    secret = "AKIA" + "Z7QX3M5K9P2R4T6W"
    answers = [Said([f"key {secret}"]), Said([f"key {secret}"]), Said(), Said()]
    provider = Provider(lambda body: answers.pop(0))
    async with route_guarded(
        tmp_path, provider, cache={"lifetime": "5m"}, guard={"legs": {"answers": "redact"}}
    ) as guard:
        for _ in range(2):
            assert "[redacted:secret]" in (await guard.ask(temperature=0)).text
        assert (await guard.ask(temperature=0)).json()["choices"][0]["message"]["content"] == "Good morning."
        assert (await guard.ask(temperature=0)).headers["ringwall-cache"] == "hit"
        await guard.service.apply(Opened(guard.config, "sha256:" + "2" * 64, 2, frozenset()))
        assert "ringwall-cache" not in (await guard.ask(temperature=0)).headers


async def test_without_a_cache_nothing_is_kept(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        for _ in range(2):
            await guard.ask(temperature=0)
        assert len(guard.provider.seen) == 2
