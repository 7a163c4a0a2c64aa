"""One worker: the guard's service on the shared port, with what is one for all at the other end of a channel."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

from guard.bundle.bundle import Opened, open_bundle
from guard.bundle.source import NeedsRestart
from guard.decide.sessions import Cursors
from guard.host_memory import message_memory
from guard.listening import Doors, serve, settle
from guard.service import GuardService
from guard.workers.channel import Channel, ChannelSilent
from guard.workers.crew import Crew
from guard.workers.handover import Handover
from guard.workers.shared_counters import SharedCounters
from guard.workers.shared_facts import Publisher, SharedConsents, SharedStates, SharedTaints
from model.errors import RingwallError

log = logging.getLogger("ringwall.guard")

#: Seconds that the hub has to greet a worker: it may be putting a bundle in force.
_GREETING_SECONDS = 60.0


class HubLost(RingwallError):
    """The process that counts for all workers is gone, so nothing may pass."""


class Worker:
    """One worker's end of its channel, and its guard. `memory` is the MiB that messages may take in all workers together."""

    def __init__(self, crew: Crew, number: int, memory: int | None = None) -> None:
        self._memory = memory
        self._crew = crew
        self._number = number
        self._service: GuardService | None = None
        self._early: list[tuple[str, Any]] = []
        self._stop = asyncio.Event()
        self._lost = False

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until SIGTERM, or until the supervisor or the hub is gone.

        Raises:
            RingwallError: it cannot serve, or the hub was lost.
        """
        crew, loop = self._crew, asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_reader(crew.lifeline, self._stop.set)
        _, channel = await loop.create_unix_connection(lambda: Channel(self._answer, self._hub_lost), crew.hub_path)
        try:
            await self._serve(channel, started)
        except ChannelSilent as problem:
            raise HubLost(f"worker {self._number} of this guard cannot reach the others: {problem}") from None
        finally:
            loop.remove_reader(crew.lifeline)
            channel.close()
        if self._lost:
            raise HubLost(f"worker {self._number} of this guard lost what all share, so it ended")

    async def _serve(self, channel: Channel, started: Callable[[], None]) -> None:
        crew, number = self._crew, self._number
        greeting = await channel.ask("hello", [number, os.getpid()], within=_GREETING_SECONDS)
        opened = crew.opened if greeting["sha256"] == crew.opened.sha256 else self._open(greeting["bundle"])
        service = await GuardService.open(
            opened,
            crew.state,
            memory=message_memory(self._memory, parts=crew.count),
            worker=number,
            workers=crew.count,
            shared=SharedCounters(channel),
        )
        try:
            publisher = Publisher(channel)
            runtime = service.runtime
            taints = SharedTaints(opened.for_server.guard.taint, publisher.publish)
            taints.know(runtime.taints.acting)
            taints.shared, runtime.taints = runtime.taints.shared, taints
            runtime.states = SharedStates(publisher.publish)
            runtime.consents = SharedConsents(channel, publisher.publish)
            runtime.cursors = Cursors(crew.cursor_key)
            runtime.agreement = publisher.agree
            runtime.watch.on_change = lambda: channel.tell("lists")
            self._service = service
            early, self._early = self._early, []
            facts = [*(("mark", row) for row in greeting["marks"]), *(("state", row) for row in greeting["states"])]
            for question, value in (*facts, *early):
                self._answer(question, value)
            denied = await channel.ask("join", opened.sha256, within=_GREETING_SECONDS)
            if denied is None:
                raise RingwallError(f"worker {number} began as another configuration was put in force; it begins again")
            runtime.deny(frozenset(denied))
            await self._listen(service, channel, started)
        finally:
            await service.close()

    async def _listen(self, service: GuardService, channel: Channel, started: Callable[[], None]) -> None:
        crew, number = self._crew, self._number
        handover = Handover(service.traffic_app(), service.runtime, crew, number)

        def listens() -> None:
            settle()
            channel.tell("listens")
            started()

        doors = Doors(crew.traffic[number - 1], handover, crew.rooms[number - 1], handover.serve_handed)
        try:
            await serve(service, self._stop, started=listens, doors=doors)
        finally:
            await handover.close()

    def _open(self, text: str) -> Opened:
        """The bundle in force, by the keys that every process was started with. Whether it is over, the guard watches."""
        config = self._crew.opened.config.server
        loaded = open_bundle(text, self._crew.keys, expected_server=(config.environment, config.name), after=0)
        return loaded.opened

    def _hub_lost(self) -> None:
        if not self._stop.is_set():
            self._lost = True
            self._stop.set()

    # -- what the hub asks --------------------------------------------------------------------------------------------

    def _answer(self, question: str, value: Any) -> Any:
        service = self._service
        if service is None:
            # Told between the hub's greeting and the first request: kept until there is a guard.
            if question not in ("mark", "state", "lists"):
                raise ChannelSilent("it does not serve yet")
            self._early.append((question, value))
            return True
        runtime = service.runtime
        if question == "mark" and isinstance(runtime.taints, SharedTaints):
            runtime.taints.adopt(value)
        elif question == "state" and isinstance(runtime.states, SharedStates):
            runtime.states.adopt(value)
        elif question == "lists":
            runtime.watch.note_change("")
            runtime.watch.refresh()
        elif question == "deny":
            runtime.deny(frozenset(value))
        elif question == "apply":
            return self._apply(service, value)
        elif question == "bundle":
            return runtime.policy.sha256
        elif question == "readiness":
            return service.readiness()
        elif question == "metrics":
            runtime.metrics.state(service.readiness(), runtime.taints.count())
            return runtime.metrics.text().decode()
        elif question == "jwks":
            introduction = runtime.policy.introduction
            return None if introduction is None else introduction.tokens.jwks()
        else:
            raise ValueError(f"no such question: {question}")
        return True

    async def _apply(self, service: GuardService, text: str) -> dict[str, Any] | None:
        """Put a bundle in force; what keeps it from that, or None."""
        try:
            await service.apply(self._open(text))
        except RingwallError as error:
            restart = isinstance(error, NeedsRestart)
            return {"text": error.summary, "remedy": error.remedy, "restart": restart}
        except Exception as error:  # of any kind: the hub must know, or the workers differ
            log.exception("a configuration could not be put in force")
            return {"text": f"{type(error).__name__}: {error}", "remedy": None, "restart": False}
        return None
