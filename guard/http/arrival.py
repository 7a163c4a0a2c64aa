"""One HTTP request of a verified principal: what every handler needs of it, and how long it may last.

How the request is answered is in `guard.http.endpoint`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any

from guard.decide import answers
from guard.decide.answers import error
from guard.decide.context import Caller
from guard.decide.policy import Policy
from guard.decide.reasons import Reason
from guard.http.http_rules import HttpRefusal
from guard.http.sink import HttpSink
from guard.identity.principal import Principal
from guard.memory import SMALL, HeldMessage, MemoryUsedUp, Room
from model.value_types import value_type

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@value_type()
class Arrival:
    """A request with its sender and public name, the policy that judges it, and the sink of its answer."""

    policy: Policy
    principal: Principal
    hostname: str
    headers: dict[str, str]
    receive: Receive
    sink: HttpSink
    room: Room

    def caller(self, *, modern: bool, version: str, session: str | None) -> Caller:
        """The sender in one era and session, with the rights that the policy grants it."""
        rights = self.policy.grants.rights(self.principal)
        return Caller(self.principal, rights, modern, version, session, self.hostname)


async def read_body(receive: Receive, limit: int, held: HeldMessage) -> bytes:
    """The body, for which room is taken in `held`. Raises Refused: 413 once it is over `limit` bytes, whatever length the
    headers gave, 429 where there is no room."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpRefusal(400, Reason.DISCONNECTED)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise HttpRefusal(413, Reason.TOO_LARGE, error(None, answers.PARSE_ERROR, "the body is too large"))
        parts.append(part)
        if size > SMALL:
            await _room_for(held.arriving(size))
        if not message.get("more_body"):
            body = b"".join(parts)
            if size > SMALL:
                await _room_for(held.complete(body))
            return body


async def hold(stored: bytes, held: HeldMessage) -> None:
    """Take room for an answer that was kept, and is to be read again. Raises Refused."""
    if len(stored) > SMALL:
        await _room_for(held.complete(stored))


async def _room_for(taking: Awaitable[None]) -> None:
    """Raises Refused where there is no room; nothing was sent on."""
    try:
        await taking
    except MemoryUsedUp as problem:
        if problem.ever:
            text = "The guard holds as many messages as it has memory for. Nothing was executed."
            refusal = error(None, answers.LIMITED, text)
            raise HttpRefusal(429, Reason.MEMORY_USED_UP, refusal, {"retry-after": "1"}) from None
        text = "the message takes more memory than the guard has for one"
        raise HttpRefusal(413, Reason.MEMORY_USED_UP, error(None, answers.PARSE_ERROR, text)) from None


#: Seconds until the guard starts to watch whether the client disconnects: nearly every answer is sent by then, and watching
#: costs time.
_PATIENCE = 0.05


class until_disconnect:
    """Cancels the work when the client disconnects: nobody would read the answer, and the 2026 era cancels that way."""

    __slots__ = ("_disconnected", "_receive", "_timer", "_watcher", "_work")

    def __init__(self, receive: Receive, work: asyncio.Task[Any]) -> None:
        self._receive = receive
        self._work = work
        self._disconnected = False
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._timer = self._work.get_loop().call_later(_PATIENCE, self._begin)

    def _begin(self) -> None:
        self._watcher = self._work.get_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._disconnected = True
        self._work.cancel("the client disconnected")

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if kind is not None and issubclass(kind, asyncio.CancelledError) and self._disconnected:
            self._work.uncancel()
            return True
        return False


class bounded:
    """Ends an answer or stream when the token that allowed it expires; raises Refused then."""

    __slots__ = ("_expires", "_timeout")

    def __init__(self, principal: Principal) -> None:
        self._expires = principal.expires
        self._timeout: asyncio.Timeout | None = None

    async def __aenter__(self) -> None:
        if self._expires != float("inf"):
            self._timeout = asyncio.timeout(max(self._expires - time.time(), 0))
            await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timeout is None:
            return
        try:
            await self._timeout.__aexit__(kind, raised, trace)
        except TimeoutError:
            raise HttpRefusal(
                401, Reason.EXPIRED, error(None, answers.UNAUTHENTICATED, "Your token has expired.")
            ) from None
