"""A session that the guard ends, as one too many or unused for a day, ends at the server too, and holds up nobody."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from guard.decide import sessions as sessions_of_principals
from guard.decide.context import digest_of_session
from guard.decide.sessions import PER_PRINCIPAL
from tests.support.guard_service import Guarded, Origin, guarded
from tests.support.waiting import eventually


@dataclass
class ManySessions(Origin):
    """A server that gives each client a session of its own, the guard's own look among them, and ends the session `slow`
    only once `may_end` is set."""

    numbers: Any = field(default_factory=itertools.count)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list)
    end_status: int = 200
    slow: str | None = None

    def __post_init__(self) -> None:
        self.replies["initialize"] = self._begin

    def _begin(self, message: dict[str, Any]) -> dict[str, Any]:
        self.session = f"s-{next(self.numbers)}"
        return self._default("initialize", message)

    async def handle(self, request: Request) -> Response:
        if request.method == "DELETE":
            session = request.headers["mcp-session-id"]
            self.ended.append(session)
            if session == self.slow:
                await self.may_end.wait()
            return Response(status_code=self.end_status)
        return await super().handle(request)


async def fill(guard: Guarded) -> list[str]:
    """As many sessions as one principal may have."""
    return [await begun(guard) for _ in range(PER_PRINCIPAL)]


async def begun(guard: Guarded) -> str:
    """One session more."""
    guard.session = ""
    await guard.initialize()
    assert guard.session
    return guard.session


@pytest.mark.parametrize("status", [200, 405, 500])
async def test_the_least_recently_used_session_is_ended_at_the_server(tmp_path: Path, status: int) -> None:
    origin = ManySessions(end_status=status)
    async with guarded(origin, tmp_path) as guard:
        first, *others = await fill(guard)
        origin.slow = first
        await begun(guard)  # it has its answer although the server does not answer the other request
        assert (await guard.call("search"))["result"]["content"]
        await eventually(lambda: first in origin.ended, "the server is told")
        assert not set(others) & set(origin.ended)
        record = next(one for one in guard.records() if one["reason"] == "session_replaced")
        assert (record["method"], record["decision"]) == ("http DELETE", "allow")
        assert record["session"] == digest_of_session(first)
        origin.may_end.set()
        guard.session = first
        assert "Session not found" in str(await guard.call("search"))


async def test_a_session_that_its_client_ended_is_ended_once(tmp_path: Path) -> None:
    origin = ManySessions()
    async with guarded(origin, tmp_path) as guard:
        *_, last = sessions = await fill(guard)
        response = await guard.client.delete("/mcp", headers={"mcp-session-id": last})
        assert response.status_code == 200
        await begun(guard)
        await guard.call("search")
        assert [session for session in origin.ended if session in sessions] == [last]
        assert "session_replaced" not in {one["reason"] for one in guard.records()}


async def test_a_session_that_was_not_used_for_a_day_is_ended_at_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = ManySessions()
    async with guarded(origin, tmp_path) as guard:
        old = await begun(guard)
        with monkeypatch.context() as day_later:
            day_later.setattr(sessions_of_principals, "IDLE_FOR", 0.0)
            assert "Session not found" in str(await guard.call("search"))
        assert old not in origin.ended  # nobody's credentials are at hand
        await begun(guard)
        await eventually(lambda: old in origin.ended, "the server is told")
        record = next(one for one in guard.records() if one["reason"] == "session_expired")
        assert (record["method"], record["session"]) == ("http DELETE", digest_of_session(old))
