"""What one worker learns of a caller and all must know: taint, states of the 2026 era, questions of the guard's own.

A fact is told to the hub, which has every other worker confirm it. No message goes on before (`Runtime.agree`), so that
whoever reads a poisoned result at one worker is tainted at each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from guard.decide import answers
from guard.decide.answers import error
from guard.decide.consent import AskedCall, Consents
from guard.decide.reasons import Reason
from guard.decide.sessions import RequestStates
from guard.decide.taint import TaintMark, Taints
from guard.http.http_rules import HttpRefusal
from guard.workers.channel import Channel, ChannelSilent
from model.defaults import Taint as TaintSettings

#: Seconds that the hub has to tell every worker: more than it waits for one (`hub.FACT_SECONDS`).
AGREE_SECONDS = 10.0

#: Publishes a fact of this kind.
Publish = Callable[[str, list[Any]], None]


class Publisher:
    """Facts on their way to the other workers."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._under_way: set[asyncio.Task[Any]] = set()

    def publish(self, kind: str, fact: list[Any]) -> None:
        """Begin to tell every other worker."""
        telling = asyncio.get_running_loop().create_task(self._channel.ask(kind, fact, within=AGREE_SECONDS))
        self._under_way.add(telling)
        telling.add_done_callback(self._end)

    def _end(self, telling: asyncio.Task[Any]) -> None:
        self._under_way.discard(telling)
        if not telling.cancelled():
            telling.exception()  # whoever waits is told of it; nobody else need be

    async def agree(self) -> None:
        """Return once all that was published before is known everywhere. Raises HttpRefusal."""
        if not self._under_way:
            return
        try:
            await asyncio.shield(asyncio.gather(*self._under_way))
        except ChannelSilent:
            text = "The guard cannot agree with itself about this caller. What was asked for may have been executed."
            raise HttpRefusal(503, Reason.UNSHARED, error(None, answers.WITHHELD, text)) from None


class SharedTaints(Taints):
    """Marks that every worker has."""

    def __init__(self, settings: TaintSettings, publish: Publish) -> None:
        super().__init__(settings, time.monotonic)
        self._publish = publish

    def put(self, principal_id: str, mark: TaintMark, *, suspected: bool) -> None:
        super().put(principal_id, mark, suspected=suspected)
        self._publish("mark", mark_row(principal_id, mark, suspected))

    def adopt(self, row: list[Any]) -> None:
        """Keep a mark that another worker made."""
        principal_id, mark, suspected = read_mark(row)
        super().put(principal_id, mark, suspected=suspected)


class SharedStates(RequestStates):
    """States that every worker has."""

    def __init__(self, publish: Publish) -> None:
        super().__init__(time.monotonic)
        self._publish = publish

    def put(self, key: bytes, owner: str, until: float) -> bool:
        if not super().put(key, owner, until):
            return False
        self._publish("state", state_row(key, owner, until))
        return True

    def adopt(self, row: list[Any]) -> None:
        """Keep what another worker bound. Where there is no room here, the caller's next call is refused here."""
        super().put(*read_state(row))


class SharedConsents(Consents):
    """Questions that are kept at the hub: each is answered once, at whichever worker."""

    __slots__ = ("_channel", "_publish")

    def __init__(self, channel: Channel, publish: Publish) -> None:
        super().__init__()
        self._channel = channel
        self._publish = publish

    def keep(self, token: str, subject: AskedCall) -> None:
        self._publish("consent", [token, *subject])

    async def take(self, token: str) -> AskedCall | None:
        try:
            subject = await self._channel.ask("redeem", token)
        except ChannelSilent:
            return None
        return None if subject is None else (subject[0], subject[1], subject[2])


def mark_row(principal_id: str, mark: TaintMark, suspected: bool) -> list[Any]:
    return [principal_id, suspected, mark.incident, mark.until]


def read_mark(row: list[Any]) -> tuple[str, TaintMark, bool]:
    """A mark that another process made. Its clock is this one's: it counts from the machine's start."""
    principal_id, suspected, incident, until = row
    return principal_id, TaintMark(incident, until), suspected


def state_row(key: bytes, owner: str, until: float) -> list[Any]:
    return [key.hex(), owner, until]


def read_state(row: list[Any]) -> tuple[bytes, str, float]:
    key, owner, until = row
    return bytes.fromhex(key), owner, until
