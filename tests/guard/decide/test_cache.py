"""A cached result answers the very same call of the very same principal, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from guard.decide.cache import MAX_ENTRY_BYTES, ResultCache
from model.canonical import digest
from model.tool_lock import LockedServer, ToolEntry, ToolLock
from tests.support.guard_messages import result
from tests.support.guard_service import Origin, guarded, lock_of
from tests.support.token_issuer import Clock


def lock(description: str = "") -> ToolLock:
    def tool(name: str, risk: Any, cacheable: bool) -> ToolEntry:
        definition = {"name": name, "inputSchema": {"type": "object"}, "title": description}
        return ToolEntry(name=name, sha256=digest(definition), definition=definition, risk=risk, cacheable=cacheable)

    return ToolLock(server=LockedServer(), tools=(tool("get", "read", True), tool("list", "read", False)))


@pytest.fixture
def clock() -> Clock:
    return Clock(0)


@pytest.fixture
def cache(clock: Clock) -> ResultCache:
    return ResultCache(lock(), "sha256:1", clock)


def put(cache: ResultCache, principal: str, arguments: Any, value: bytes = b"r") -> None:
    key = cache.key(principal, "get", arguments, "2025-11-25")
    assert key is not None
    cache.put(key, value)


def get(cache: ResultCache, principal: str, arguments: Any) -> bytes | None:
    key = cache.key(principal, "get", arguments, "2025-11-25")
    assert key is not None
    return cache.get(key)


def test_same_call_is_answered_whatever_the_order_of_its_keys(cache: ResultCache) -> None:
    put(cache, "person:kari", {"id": 1, "b": [1.0]})
    assert get(cache, "person:kari", {"b": [1], "id": 1}) == b"r"


def test_other_principal_arguments_or_types_are_other_calls(cache: ResultCache) -> None:
    put(cache, "person:kari", {"id": 1})
    assert get(cache, "person:ola", {"id": 1}) is None
    for arguments in ({"id": 2}, {"id": "1"}, {"id": True}, {"id": 1, "x": None}, {}, None):
        assert get(cache, "person:kari", arguments) is None


def test_tools_the_lock_does_not_call_cacheable_have_no_key(cache: ResultCache) -> None:
    assert cache.key("person:kari", "list", {}, "2025-11-25") is None
    assert cache.key("person:kari", "unknown", {}, "2025-11-25") is None


def test_entry_ends_after_a_minute(cache: ResultCache, clock: Clock) -> None:
    put(cache, "person:kari", {})
    clock.now = 59.9
    assert get(cache, "person:kari", {}) == b"r"
    clock.now = 60
    assert get(cache, "person:kari", {}) is None


def test_another_bundle_or_definition_forgets_everything(cache: ResultCache) -> None:
    put(cache, "person:kari", {})
    begun = cache.key("person:kari", "get", {"on": "its way"}, "2025-11-25")
    assert begun is not None
    cache.swap(lock("changed"), "sha256:2")
    assert len(cache) == 0
    cache.put(begun, b"old")
    assert len(cache) == 0
    assert cache.get(begun) is None


def test_result_of_a_call_begun_before_a_write_is_not_kept(cache: ResultCache) -> None:
    begun = cache.key("person:kari", "get", {}, "2025-11-25")
    assert begun is not None
    cache.clear()
    cache.put(begun, b"stale")
    assert get(cache, "person:kari", {}) is None


def test_memory_is_bounded_and_the_oldest_goes_first(clock: Clock) -> None:
    cache = ResultCache(lock(), "sha256:1", clock, most_bytes=10_000)
    for number in range(100):
        put(cache, "person:kari", {"n": number}, b"x" * 1000)
    assert len(cache) == 6
    assert get(cache, "person:kari", {"n": 99}) is not None
    assert get(cache, "person:kari", {"n": 93}) is None
    put(cache, "person:kari", {"n": "large"}, b"x" * (MAX_ENTRY_BYTES + 1))
    assert get(cache, "person:kari", {"n": "large"}) is None
    for _ in range(20):
        put(cache, "person:kari", {"n": 99}, b"y" * 1000)
    assert len(cache) == 6


def test_only_bytes_are_kept(cache: ResultCache) -> None:
    key = cache.key("person:kari", "get", {}, "2025-11-25")
    assert key is not None
    with pytest.raises(TypeError):
        cache.put(key, bytearray(b"changeable"))  # type: ignore[arg-type]


async def test_a_cacheable_result_is_reused_for_the_same_call_only(tmp_path: Path) -> None:
    origin = Origin()
    lock = lock_of(origin.tools, decided={"search": {"cacheable": True}})
    async with guarded(origin, tmp_path, tool_lock=lock) as guard:
        await guard.initialize()
        for text in ("a", "a", "b"):
            assert (await guard.call("search", {"text": text}))["result"] == result("done")
        assert len(guard.origin.calls) == 2
        assert ("tools/call", "allow", "cached") in guard.reasons()


async def test_a_result_of_one_protocol_version_answers_no_other(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: result(
        "done", **({"resultType": "complete"} if "_meta" in m["params"] else {})
    )
    lock = lock_of(origin.tools, decided={"search": {"cacheable": True}})
    async with guarded(origin, tmp_path, tool_lock=lock) as guard:
        await guard.initialize()
        assert "resultType" not in (await guard.call("search"))["result"]
        guard.session = None
        answer = (await guard.modern("tools/call", {"name": "search", "arguments": {}})).json()
        assert answer["result"]["resultType"] == "complete"


async def test_what_was_read_while_something_was_written_is_not_kept(tmp_path: Path) -> None:
    origin = Origin()
    value = "old"
    began, finish = asyncio.Event(), asyncio.Event()

    async def reply(message: dict[str, Any]) -> dict[str, Any]:
        nonlocal value
        if message["params"]["name"] == "delete":
            began.set()
            await finish.wait()
            value = "new"
        return result(value)

    origin.replies["tools/call"] = reply
    lock = lock_of(origin.tools, decided={"search": {"cacheable": True}, "delete": {"risk": "write"}})
    async with guarded(origin, tmp_path, tool_lock=lock) as guard:
        await guard.initialize()
        writing = asyncio.ensure_future(guard.call("delete"))
        await began.wait()
        assert (await guard.call("search"))["result"] == result("old")
        finish.set()
        await writing
        assert (await guard.call("search"))["result"] == result("new")
