"""Whatever is done with the whole of a large message is done beside the event loop, so that small calls are served."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from guard.http.stdio import StdioUpstream
from guard.large_messages import AT_ONCE
from tests.guard.http.test_message_memory import WRITER, answer
from tests.support.guard_messages import AWS_KEY, call, result
from tests.support.guard_service import Guarded, Origin, guarded, sse, tool
from tests.support.waiting import PATIENCE, eventually

LARGE = AT_ONCE
WAITS = "it is under way"


class Held:
    """A step that waits for `served` when it is taken for a large message, which nobody could set while the loop waits."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step
        self.reached, self.served = threading.Event(), threading.Event()

    def __call__(self, first: Any, *args: Any, **kwargs: Any) -> Any:
        if len(str(first)) > LARGE:
            self.reached.set()
            assert self.served.wait(PATIENCE), "nobody was served meanwhile"
        return self.step(first, *args, **kwargs)


def held(monkeypatch: pytest.MonkeyPatch, place: str) -> Held:
    module, _, name = place.rpartition(".")
    step = Held(getattr(importlib.import_module(module), name))
    monkeypatch.setattr(place, step)
    return step


async def served_meanwhile(guard: Guarded, step: Held, large: dict[str, Any]) -> str:
    """The text of the answer to `large`, during whose step a small call was answered."""
    asking = asyncio.ensure_future(guard.post(large))
    try:
        await eventually(step.reached.is_set, WAITS)
        small = (await guard.post(call(2, "delete"))).json()
        assert small["result"]["content"][0]["text"].startswith("done"), small
    finally:
        step.served.set()
    return (await asking).text


def replies(large: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    return {"tools/call": lambda message: large(message) if message["params"]["name"] == "search" else result("done")}


READING = (
    "guard.memory.weight",
    "guard.decide.from_server.parse",
    "guard.inspect.inspection.content_of",
    "guard.inspect.inspection.dump",
    "guard.decide.from_server.repeated_bytes",
)


@pytest.mark.parametrize("place", READING)
async def test_an_answer(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = answer(LARGE)
    origin = Origin(replies=replies(lambda message: Response(whole, media_type="application/json")))
    async with guarded(origin, tmp_path) as guard:
        assert len(await served_meanwhile(guard, held(monkeypatch, place), call(1))) > LARGE


@pytest.mark.parametrize("place", READING)
async def test_an_event_of_a_stream(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = f"data: {answer(LARGE).decode()}\n\n"
    async with guarded(Origin(replies=replies(lambda message: sse(event))), tmp_path) as guard:
        assert len(await served_meanwhile(guard, held(monkeypatch, place), call(1))) > LARGE


async def test_an_answer_that_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = answer(LARGE).replace(b"some words", b"the key is " + AWS_KEY.encode() + b" and", 1)
    origin = Origin(replies=replies(lambda message: Response(whole, media_type="application/json")))
    async with guarded(origin, tmp_path, guard={"legs": {"results": "redact"}}) as guard:
        shown = await served_meanwhile(guard, held(monkeypatch, "guard.inspect.inspection.redact"), call(1))
        assert "[redacted:secret]" in shown
        assert AWS_KEY not in shown


async def test_an_event_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = f"data: {answer(LARGE).decode()[:-1]},\n\n"
    async with guarded(Origin(replies=replies(lambda message: sse(event))), tmp_path) as guard:
        shown = await served_meanwhile(guard, held(monkeypatch, "guard.decide.from_server.diagnose"), call(1))
        assert "may have been executed" in shown


@pytest.mark.parametrize("place", ["guard.memory.weight", "guard.http.endpoint.parse", *READING[2:4]])
async def test_a_request(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"body_kilobytes": 8192}
    async with guarded(Origin(replies=replies(lambda message: result("done"))), tmp_path, limits=limits) as guard:
        large = call(1, text="some words " * (LARGE // 10))
        assert "done" in await served_meanwhile(guard, held(monkeypatch, place), large)


async def test_a_line_of_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = WRITER.replace("TOOLS", json.dumps([tool("search"), tool("delete")]))
    async with guarded(Origin(), tmp_path) as guard:
        await guard.service.runtime.upstream.close()
        command = StdioUpstream((sys.executable, "-c", script), {}, None, rooms=guard.service.runtime.room)
        guard.service.runtime.upstream = command
        guard.service.runtime.watch.aim(command)
        await guard.initialize()
        step = held(monkeypatch, "guard.http.stdio_process.parse")
        asking = asyncio.ensure_future(guard.call("search"))
        try:
            await eventually(step.reached.is_set, WAITS)
            assert (await guard.client.get("/healthz")).status_code == 200
        finally:
            step.served.set()
        assert len((await asking)["result"]["content"][0]["text"]) > LARGE
