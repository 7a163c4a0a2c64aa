"""Who read an attack at one guard is tainted at every guard of the environment that has the same Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from guard.decide.redis_counters import RedisCounters
from guard.decide.redis_marks import RedisMarks
from guard.decide.taint import MarksUnavailable
from tests.support.guard_messages import ATTACK, result
from tests.support.guard_service import Guarded, Origin, guarded, lock_of, tool
from tests.support.ports import free_port
from tests.support.redis_server import PATIENT, RedisServer
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (RedisMarks, RedisCounters):
        monkeypatch.setitem(vars(kind)["__init__"].__kwdefaults__, "timeout", PATIENT)


@asynccontextmanager
async def desk(folder: Path, environment: str, name: str, url: str) -> AsyncIterator[Guarded]:
    """A guard whose server reads a page and posts, as a process of its own would be."""
    origin = Origin(tools=[tool("search"), tool("post")])
    origin.replies["tools/call"] = lambda m: result(ATTACK if m["params"]["name"] == "search" else "sent")
    settings: dict[str, Any] = {"redis": {"url": url}, "taint": {"outbound_call": "block"}}
    folder.mkdir()
    async with guarded(
        origin,
        folder,
        server={"environment": environment, "name": name},
        tool_lock=lock_of(origin.tools, decided={"post": {"outbound": True, "risk": "write"}}),
        guard={**settings, "legs": {"results": "flag"}},
        redis=settings["redis"],
    ) as guard:
        await guard.initialize()
        yield guard


async def test_a_mark_counts_at_the_other_guards_of_the_environment_alone(tmp_path: Path, redis: str) -> None:
    async with (
        desk(tmp_path / "web", "dev", "web", redis) as web,
        desk(tmp_path / "mail", "dev", "mail", redis) as mail,
        desk(tmp_path / "prod", "prod", "mail", redis) as prod,
    ):
        assert (await mail.call("post"))["result"] == result("sent")
        assert (await web.call("search"))["result"] == result(ATTACK)
        refused = (await mail.call("post"))["result"]
        assert refused["isError"]
        assert "untrusted content" in str(refused)
        record = mail.records()[-1]
        assert (record["reason"], record["key"]) == ("taint", "guard.taint.outbound_call")
        incident = next(one["incident"] for one in web.records() if one["reason"] == "injection")
        assert record["problem"] == f"untrusted text was sent in incident {incident} of dev.web"
        assert (await prod.call("post"))["result"] == result("sent")
        assert len(mail.origin.calls) == 1


async def test_neither_the_text_nor_the_call_passes_while_redis_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as server:
        async with desk(tmp_path / "web", "dev", "web", server.url) as web:
            marks = web.service.runtime.taints.shared
            assert isinstance(marks, RedisMarks)
            # The counters keep their Redis; only the marks' is away.
            await marks.close()
            away = RedisMarks(f"redis://127.0.0.1:{free_port()}/0", None, "dev", "dev.web")
            web.service.runtime.taints.shared = away
            refused = (await web.call("post"))["result"]
            assert refused["isError"]
            assert "could not find out" in str(refused)
            record = web.records()[-1]
            assert (record["reason"], record["key"]) == ("unshared", "guard.redis")
            assert web.origin.calls == []
            answer = await web.post(
                {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "search", "arguments": {}}}
            )
            assert answer.status_code == 503
            assert ATTACK not in answer.text


async def test_a_mark_ends_with_its_window_and_a_later_one_takes_its_place(redis: str) -> None:
    web, mail = (RedisMarks(redis, None, "test", f"test.{name}") for name in ("web", "mail"))
    try:
        web.publish("person:kari", "inc-1", 60, suspected=True)
        await web.agree()
        assert await mail.tainted("person:kari") is None
        assert (mark := await mail.tainted("person:kari", suspected=True)) is not None
        assert (mark.incident, mark.server) == ("inc-1", "test.web")
        assert (own := await web.tainted("person:kari", suspected=True)) is not None
        assert own.server == ""
        assert await mail.tainted("person:ola", suspected=True) is None
        mail.publish("person:kari", "inc-2", 0.3, suspected=True)
        await mail.agree()
        assert (mark := await web.tainted("person:kari", suspected=True)) is not None
        assert mark.incident == "inc-2"

        async def over() -> bool:
            return await web.tainted("person:kari", suspected=True) is None

        await eventually(over, "the mark is over")
    finally:
        await web.close()
        await mail.close()


async def test_a_mark_that_cannot_be_written_is_said_to_whoever_waits() -> None:
    marks = RedisMarks(f"redis://127.0.0.1:{free_port()}/0", None, "test", "test.web")
    try:
        marks.publish("person:kari", "inc-1", 60, suspected=False)
        with pytest.raises(MarksUnavailable, match="Redis does not answer"):
            await marks.agree()
        with pytest.raises(MarksUnavailable, match="Redis does not answer"):
            await marks.tainted("person:kari")
    finally:
        await marks.close()
