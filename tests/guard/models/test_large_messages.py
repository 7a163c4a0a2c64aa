"""A model's large answers and requests are read and taken apart beside the event loop too, so that others are served."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from guard.large_messages import AT_ONCE
from tests.guard.http.test_large_messages import WAITS, held
from tests.support.model_guard import WIDE, route_guarded
from tests.support.model_provider import Provider, Said
from tests.support.waiting import eventually

LARGE = "some words " * (AT_ONCE // 10)


@pytest.mark.parametrize(
    ("place", "said", "asked", "stream"),
    [
        ("guard.models.answers.parse", LARGE, "short", False),
        ("guard.inspect.inspection.content_of", LARGE, "short", False),
        ("guard.models.relay.parse", LARGE, "short", True),
        ("guard.inspect.inspection.content_of", LARGE, "short", True),
        ("guard.models.exchange.parse", "short", LARGE, False),
        ("guard.inspect.inspection.content_of", "short", LARGE, False),
    ],
)
async def test_others_are_served_meanwhile(
    place: str, said: str, asked: str, stream: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {**WIDE, "body_kilobytes": 8192}
    async with (
        route_guarded(tmp_path, Provider(lambda body: Said([said])), limits=limits) as guard,
        guard.client() as client,
    ):
        step = held(monkeypatch, place)

        async def ask() -> str:
            messages: Any = [{"role": "user", "content": asked}]
            answer: Any = await client.chat.completions.create(model="small", messages=messages, stream=stream)
            if stream:
                return "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices])
            return str(answer.choices[0].message.content)

        asking = asyncio.ensure_future(ask())
        try:
            await eventually(step.reached.is_set, WAITS)
            models = await client.models.list()
            assert [model.id for model in models.data] != []
        finally:
            step.served.set()
        assert await asking == said
