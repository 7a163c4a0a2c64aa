"""Guards in processes of their own know the names of one another's writing tools, where they have the same Redis."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from redis.asyncio import Redis

from guard.decide import redis_tools
from guard.decide.redis_marks import RedisMarks
from guard.decide.redis_tools import FRESH_SECONDS, LEASE_SECONDS, RedisTools
from guard.decide.taint import MarksUnavailable
from model.tool_lock import ToolLock
from tests.guard.test_toxic_flow import ORDERED, SERVER
from tests.support.guard_process import GuardProcess, Upstream, guard, lock_of
from tests.support.guard_service import Origin, guarded
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.token_issuer import Clock
from tests.support.waiting import PATIENCE, eventually

TAINT = {"taint": {"outbound_call": "ask"}}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextlib.asynccontextmanager
async def sharing(url: str, *servers: str, clock: Clock | None = None) -> AsyncIterator[list[RedisTools]]:
    """What guards of these servers would share; each looks every 20 ms once it was announced."""
    connection = Redis.from_url(url, socket_timeout=PATIENCE)
    options: dict[str, Any] = {} if clock is None else {"clock": clock}
    tools = [RedisTools(connection, "test", server, refresh=0.02, **options) for server in servers]
    try:
        yield tools
    finally:
        for each in tools:
            await each.close()
        await connection.flushall()
        await connection.aclose()


async def test_a_guard_knows_the_tools_of_one_that_began_before_and_learns_of_one_that_begins(
    redis: RedisServer,
) -> None:
    async with sharing(redis.url, "test.web", "test.mail") as (web, mail):
        await mail.announce("1", frozenset({"send_mail"}))
        await web.announce("1", frozenset())
        assert web.names() == {"send_mail"}
        await mail.announce("2", frozenset({"send_letter"}))
        # One replica may run under the bundle before, so the names of both count.
        await eventually(lambda: web.names() == {"send_mail", "send_letter"}, "it knows the names of both bundles")
        assert web.names() is web.names()


async def test_names_end_with_their_lease_and_not_with_a_redis_that_lost_them(redis: RedisServer) -> None:
    clock = Clock(0)
    async with sharing(redis.url, "test.web", "test.mail", clock=clock) as (web, mail):
        await mail.announce("1", frozenset({"send_mail"}))
        await mail.close()
        await web.announce("1", frozenset({"write_note"}))
        connection = Redis.from_url(redis.url)
        await connection.flushall()
        await eventually(lambda: web._current != () and len(web._current) == 1, "the other's names are gone in Redis")
        assert web.names() == {"send_mail", "write_note"}
        await connection.aclose()
        clock.now = LEASE_SECONDS + 1
        await eventually(lambda: web.names() == {"write_note"}, "the lease is over")


async def test_it_closes_in_whichever_moment_of_an_exchange_it_is_told_to(redis: RedisServer) -> None:
    connection = Redis.from_url(redis.url, socket_timeout=PATIENCE)
    # An exchange takes fewer turns of the event loop than this; with no pause between two, each close is within one.
    for turns in range(40):
        tools = RedisTools(connection, "test", "test.web", refresh=0)
        await tools.announce("1", frozenset())
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await tools.close()
    await connection.aclose()


async def test_nobody_knows_the_names_while_redis_is_silent_or_they_are_too_many(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0)
    async with sharing(redis.url, "test.web", "test.mail", clock=clock) as (web, mail):
        with pytest.raises(MarksUnavailable):
            web.require()
        await mail.announce("1", frozenset({"send_mail"}))
        await web.announce("1", frozenset())
        web.require()
        monkeypatch.setattr(redis_tools, "MOST_BYTES", 10)
        clock.now = FRESH_SECONDS + 1
        with pytest.raises(MarksUnavailable, match="what the other servers' tools are called"):
            web.require()
        monkeypatch.undo()

        def fresh() -> bool:
            with contextlib.suppress(MarksUnavailable):
                web.require()
                return True
            return False

        await eventually(fresh, "it knows them again")


async def test_no_text_passes_while_nobody_knows_what_the_others_tools_are_called(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        away = RedisMarks(f"redis://127.0.0.1:{free_port()}/0", None, "dev", "dev.web")
        guard.service.runtime.taints.shared = away
        answer = await guard.post(
            {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "search", "arguments": {}}}
        )
        assert answer.status_code == 503
        assert "what their tools are called" in answer.text
        assert "done" not in answer.text
        record = guard.records()[-1]
        assert (record["decision"], record["reason"]) == ("refuse", "unshared")


def holding(lock: ToolLock, name: str) -> ToolLock:
    document = lock.dump()
    return ToolLock.model_validate({**document, "tools": [t for t in document["tools"] if t["name"] == name]})


async def test_an_order_read_at_the_guard_of_one_process_closes_the_tool_of_another(
    tmp_path: Path, redis: RedisServer
) -> None:
    files, forge = tmp_path / "files", tmp_path / "forge.jsonl"
    files.mkdir()
    (files / "ticket.txt").write_text(ORDERED, encoding="utf-8")
    forge.touch()
    upstream = Upstream(command=(sys.executable, str(SERVER), str(files), str(forge)))
    lock = await asyncio.to_thread(lock_of, upstream)
    shared: dict[str, Any] = {"redis": {"url": redis.url}}

    def process(name: str, tool: str) -> contextlib.AbstractContextManager[GuardProcess]:
        return guard(
            upstream,
            tmp_path / name,
            lock=holding(lock, tool),
            server={"environment": "test", "name": name},
            guard={**TAINT, **shared},
            **shared,
        )

    async def comment(url: str) -> Any:
        async with Client(url, mode="legacy") as client:
            return await client.call_tool("add_issue_comment", {"issue": 7, "body": "key=1"})

    with process("forge", "add_issue_comment") as writing, process("files", "read_file") as reading:
        assert not (await comment(writing.url)).is_error
        async with Client(reading.url, mode="legacy") as client:
            assert "Login fails" in str(await client.call_tool("read_file", {"path": "ticket.txt"}))
        refused = await comment(writing.url)
        assert refused.is_error
        assert "untrusted content" in str(refused.content)
        assert len(forge.read_text().splitlines()) == 1
