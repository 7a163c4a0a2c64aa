"""A client that goes away ends the provider's work, whatever had come of the answer; what was used is on record."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_guard import RouteGuard, route_guarded
from tests.support.model_provider import KEY
from tests.support.waiting import eventually

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(text: str) -> bytes:
    """One piece of an answer, on the wire."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x"}
    event = b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


@dataclass
class SilentProvider:
    """Sends `answer` and nothing more, and sees when the other side ends the connection."""

    answer: bytes
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
        except asyncio.IncompleteReadError:
            writer.close()  # the guard looked whether anybody listens
            return
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        writer.write(self.answer)
        await writer.drain()
        self.asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.ended.set()
        writer.close()


@contextlib.asynccontextmanager
async def before(state: Path, answer: bytes) -> AsyncIterator[tuple[RouteGuard, SilentProvider]]:
    """A guard before such a provider. One request of a principal is served at a time."""
    provider = SilentProvider(answer)
    server = await asyncio.start_server(provider.handle, "127.0.0.1", 0)
    key = state / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        inner = {"url": url, "key": {"file": str(key)}}
        async with route_guarded(state, inner=inner, guard={"hold_back": 64, "deadline": "60s"}) as guard:
            yield guard, provider


async def ask(guard: RouteGuard, *, stream: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request on a connection of its own."""
    message = {"role": "user", "content": "How are you today?"}
    body = json.dumps({"model": "small", "messages": [message], "stream": stream, "max_completion_tokens": 50}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", guard.config.listen.port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{guard.config.listen.port}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def leaves(guard: RouteGuard, provider: SilentProvider, writer: asyncio.StreamWriter) -> dict[str, Any]:
    """Close the client's connection, and wait for the provider's end; the last record."""
    writer.close()
    await asyncio.wait_for(provider.ended.wait(), 60)
    runtime = guard.service.runtime
    await eventually(lambda: runtime.busy == 0, "the request is over")
    return guard.records()[-1]


NOTHING_YET = b""
HEADERS = HEAD
PIECES = HEAD + chunk("These are some words of an answer that goes on for a while. " * 20)


@pytest.mark.parametrize(
    ("stream", "answer"),
    [(False, NOTHING_YET), (True, NOTHING_YET), (True, HEADERS), (True, PIECES)],
    ids=["whole answer, nothing yet", "stream, nothing yet", "stream, its headers", "stream, some of it"],
)
async def test_the_provider_sees_that_nobody_waits_and_the_request_is_charged_once(
    tmp_path: Path, stream: bool, answer: bytes
) -> None:
    async with before(tmp_path, answer) as (guard, provider):
        reader, writer = await ask(guard, stream=stream)
        await asyncio.wait_for(provider.asked.wait(), 60)
        if answer == PIECES:
            assert b"These are some words" in await asyncio.wait_for(reader.readuntil(b"These are some words"), 60)
        assert not provider.ended.is_set()
        last = await leaves(guard, provider, writer)
        assert (last["decision"], last["reason"]) == ("error", "answer_cut")
        assert last["usage"]["input"] > 0
        assert (last["usage"]["output"] > 0) == (answer == PIECES)
        assert [one["reason"] for one in guard.records()].count("answer_cut") == 1
        runtime = guard.service.runtime
        assert (runtime.streaming, runtime.memory.used) == (0, 0)
        assert not runtime.breaker(guard.config.models[0]).is_open
        text = runtime.metrics.text().decode()
        assert f'model_tokens_total{{direction="request",model="small"}} {float(last["usage"]["input"])}' in text


async def test_its_place_is_free_for_the_next_request(tmp_path: Path) -> None:
    """`limits.concurrency` requests that their client left must not keep it out."""
    async with before(tmp_path, NOTHING_YET) as (guard, provider):
        for _ in range(guard.config.limits.concurrency + 2):
            provider.asked.clear()
            provider.ended.clear()
            _, writer = await ask(guard, stream=False)
            await asyncio.wait_for(provider.asked.wait(), 60)
            await leaves(guard, provider, writer)
