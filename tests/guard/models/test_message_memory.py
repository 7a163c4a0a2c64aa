"""A model route's requests and answers are counted with all other messages of the process, in the words of its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from guard.memory import MessageMemory
from tests.support.model_guard import ASK, route_guarded
from tests.support.model_provider import Provider, Said

LARGE = "some words " * 200_000


def little() -> MessageMemory:
    return MessageMemory(4 << 20, patience=0.05)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_there_is_no_memory_for_is_withheld_and_charged(tmp_path: Path, stream: bool) -> None:
    """A stream may end so too: the provider's pieces are small, and this one is not."""
    provider = Provider(lambda body: Said([LARGE]))
    async with route_guarded(tmp_path, provider, memory=little()) as guard, guard.client() as client:

        async def ask() -> None:
            answer: Any = await client.chat.completions.create(model="small", messages=ASK, stream=stream)
            if stream:
                [chunk async for chunk in answer]

        with pytest.raises(openai.APIError) as failed:
            await ask()
        assert failed.value.code == "answer_unusable"
        assert "as much as it has memory for" in failed.value.message
        last = guard.records()[-1]
        assert (last["decision"], last["reason"]) == ("block", "memory_used_up")
        assert last["usage"]["input"] > 0
        assert guard.service.runtime.memory.used == 0
        assert not guard.service.runtime.breaker(guard.config.models[0]).is_open


async def test_a_request_that_there_is_no_memory_for_reaches_no_provider(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, memory=little()) as guard, guard.client() as client:
        memory = guard.service.runtime.memory
        rooms = [memory.room(f"person:{number}") for number in range(5)]
        for room in rooms:
            await memory.take(room, 500_000)
        text = "words and more " * 4000
        with pytest.raises(openai.RateLimitError) as failed:
            await client.chat.completions.create(model="small", messages=[{"role": "user", "content": text}])
        assert failed.value.response.headers["retry-after"] == "1"
        assert guard.records()[-1]["reason"] == "memory_used_up"
        assert guard.provider.seen == []
        for room in rooms:
            room.release()
        await client.chat.completions.create(model="small", messages=[{"role": "user", "content": text}])
        assert memory.used == 0
