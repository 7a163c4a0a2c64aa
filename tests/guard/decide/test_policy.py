"""A change of configuration: which streams it ends, and by what an open stream is judged after it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from starlette.responses import StreamingResponse

from guard.bundle.bundle import Opened
from model.guard_config import GuardConfig
from tests.support.guard_messages import ATTACK, call, session_of
from tests.support.guard_service import Origin, guarded, sse


async def test_a_denial_ends_open_streams(tmp_path: Path) -> None:
    origin = Origin()
    over = asyncio.Event()

    async def get(_: Any) -> Any:
        async def forever() -> None:
            await over.wait()

        return sse(": hello\n\n", then=forever)

    origin.get = get
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers={"mcp-session-id": guard.session or ""}) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ":"
            await guard.service.apply(Opened(guard.config, "sha256:" + "2" * 64, 2, frozenset({"person:ada"})))
            async with asyncio.timeout(30):
                assert [line async for line in lines if line] == []
        assert (await guard.post(call(1))).status_code == 403
        over.set()


async def test_a_new_configuration_does_not_drop_open_streams(tmp_path: Path) -> None:
    origin = Origin()
    going = asyncio.Event()

    async def get(_: Any) -> Any:
        async def forever() -> None:
            await going.wait()

        return sse(": hello\n\n", then=forever)

    origin.get = get
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers={"mcp-session-id": guard.session or ""}) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ":"
            values = guard.config.dump()
            values["grants"][0]["tools"] = ["delete"]
            config = GuardConfig.model_validate(values)
            await guard.service.apply(Opened(config, "sha256:" + "2" * 64, 2, frozenset()))
            assert (await guard.call("search"))["error"]["code"] == -32602
            assert "result" in await guard.call("delete")
            going.set()
            assert not any([line async for line in lines])


async def test_a_configuration_that_grants_nothing_ends_every_stream(tmp_path: Path) -> None:
    origin = Origin()
    over = asyncio.Event()

    async def get(_: Any) -> Any:
        async def forever() -> None:
            await over.wait()

        return sse(": hello\n\n", then=forever)

    origin.get = get
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers={"mcp-session-id": guard.session or ""}) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ":"
            closed = guard.config.model_copy(update={"grants": ()})
            await guard.service.apply(Opened(closed, "sha256:" + "2" * 64, 2, frozenset()))
            async with asyncio.timeout(30):
                assert [line async for line in lines if line] == []
        over.set()


async def test_an_open_stream_is_judged_by_the_configuration_in_force(tmp_path: Path) -> None:
    origin = Origin()
    swapped = asyncio.Event()
    news = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": ATTACK}}

    async def get(_: Any) -> Any:
        async def body() -> Any:
            yield f"data: {json.dumps(news)}\n\n".encode()
            await swapped.wait()
            yield f"data: {json.dumps(news)}\n\n: end\n\n".encode()

        return StreamingResponse(body(), media_type="text/event-stream")

    origin.get = get
    async with guarded(origin, tmp_path, guard={"legs": {"results": "flag"}}) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers=session_of(guard)) as stream:
            lines = stream.aiter_lines()
            assert "Ignore all" in await anext(lines)
            values = guard.config.dump()
            values["guard"]["legs"]["results"] = "block"
            config = GuardConfig.model_validate(values)
            await guard.service.apply(Opened(config, "sha256:" + "2" * 64, 2, frozenset()))
            swapped.set()
            assert "Ignore all" not in "".join([line async for line in lines])
        assert guard.records()[-1]["bundle"] == "sha256:" + "2" * 64
