"""The process that holds what must be one for all workers of a guard.

It has the configuration's source and puts each new bundle in force at every worker; it counts budgets, keeps taint and the
guard's own questions, and answers the operator on the admin port for all workers together. What a caller sends never
reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from guard.app import JWKS_PATH
from guard.bundle.bundle import Opened, OpenedBundle, render
from guard.bundle.source import NeedsRestart
from guard.decide.consent import Consents
from guard.decide.counters import MemoryCounters
from guard.decide.sessions import RequestStates
from guard.decide.taint import Taints
from guard.listening import DRAIN_SECONDS, listening_on
from guard.workers.channel import Channel, ChannelSilent
from guard.workers.crew import Crew
from guard.workers.exposition import Expositions
from guard.workers.fitting import require_fitting
from guard.workers.joint_readiness import WorkerState, joint_readiness
from guard.workers.shared_counters import QUESTIONS, CountingHub
from guard.workers.shared_facts import mark_row, read_mark, read_state, state_row
from model.errors import RingwallError

log = logging.getLogger("ringwall.guard")

#: Seconds that a worker has to confirm a fact. One that does not is ended, as it would decide without it.
FACT_SECONDS = 5.0
#: Seconds that a worker has to put a bundle in force, or to deny.
APPLY_SECONDS = 30.0
#: Seconds that the hub waits for workers that are ending.
LINGER_SECONDS = DRAIN_SECONDS + 5.0


@dataclass(eq=False)
class SeatedWorker:
    """A worker that reached the hub. `joined` once it has all that is shared, `listens` once it serves."""

    number: int = 0
    pid: int = 0
    channel: Channel | None = None
    joined: bool = False
    listens: bool = False
    sha256: str = ""


@dataclass
class Hub:
    """One guard's hub. `run` it inside the event loop.

    `text` is the bundle of `opened`, where that is of a bundle; a worker has `fact_seconds` to confirm a fact.
    """

    crew: Crew
    opened: Opened
    text: str | None
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    fact_seconds: float = FACT_SECONDS

    def __post_init__(self) -> None:
        config = self.opened.for_server
        self._counting = CountingHub(MemoryCounters(time.monotonic))
        self._taints = Taints(config.guard.taint, time.monotonic)
        self._states = RequestStates(time.monotonic)
        self._consents = Consents()
        self._denied = self.opened.denied
        self._workers: dict[int, SeatedWorker] = {}
        self._expositions = Expositions()
        self._losses = 0
        self._applying = asyncio.Lock()

    async def run(self, stop: asyncio.Event, started: Callable[[], None]) -> None:
        """Serve the workers and the operator until `stop`."""
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(self._line, sock=self.crew.hub)
        try:
            async with self._admin():
                watching = loop.create_task(self._watch())
                started()
                try:
                    await stop.wait()
                    await self._await_workers()
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
        finally:
            server.close()
            for worker in tuple(self._workers.values()):
                if worker.channel is not None:
                    worker.channel.close()

    async def _await_workers(self) -> None:
        """Wait until the workers have ended: where the supervisor was killed, they let calls under way end now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self._workers:
                    await asyncio.sleep(0.05)

    async def _watch(self) -> None:
        if self.crew.source is None:
            return
        await self.crew.source.watch(self.apply, self.crew.every, self.nudge)

    # -- the configuration --------------------------------------------------------------------------------------------

    async def apply(self, loaded: OpenedBundle) -> None:
        """Put a bundle in force at every worker. Whom it denies is denied first, whatever becomes of the rest.

        A worker that cannot while others can is ended: the one in its place begins with the new bundle.

        Raises:
            RingwallError: no worker can; the one before stays in force.
        """
        async with self._applying:
            new = loaded.opened
            self._denied |= new.denied
            await self._deny(new.denied)
            require_fitting(new.config)
            text = render(loaded.bundle)
            workers = [worker for worker in self._workers.values() if worker.joined]
            problems = await asyncio.gather(*(self._apply_at(worker, text) for worker in workers))
            failed = [(worker, problem) for worker, problem in zip(workers, problems, strict=True) if problem]
            if failed and len(failed) == len(workers):
                problem = failed[0][1]
                kind = NeedsRestart if problem["restart"] else RingwallError
                raise kind(problem["text"], remedy=problem["remedy"])
            self.opened, self.text, self._denied = new, text, new.denied
            for worker, problem in failed:
                self._end(worker, f"it could not take bundle {new.sequence}: {problem['text']}")

    async def _apply_at(self, worker: SeatedWorker, text: str) -> dict[str, Any] | None:
        try:
            problem: dict[str, Any] | None = await _ask(worker, "apply", text, within=APPLY_SECONDS)
        except ChannelSilent as silence:
            return {"text": str(silence), "restart": False, "remedy": None}
        if problem is None:
            worker.sha256 = await _ask(worker, "bundle")
        return problem

    async def _deny(self, denied: frozenset[str]) -> None:
        if not denied:
            return
        joined = [worker for worker in self._workers.values() if worker.joined]
        for worker, answer in zip(
            joined,
            await asyncio.gather(
                *(_ask(worker, "deny", sorted(denied), within=APPLY_SECONDS) for worker in joined),
                return_exceptions=True,
            ),
            strict=True,
        ):
            if isinstance(answer, BaseException):
                self._end(worker, f"it did not confirm the deny list ({answer})")

    # -- the workers --------------------------------------------------------------------------------------------------

    def _line(self) -> Channel:
        worker = SeatedWorker()
        worker.channel = Channel(
            lambda question, value: self._answer(worker, question, value), lambda: self._lose(worker)
        )
        return worker.channel

    def _answer(self, worker: SeatedWorker, question: str, value: Any) -> Any:
        if question in QUESTIONS:
            return self._counting.answer(worker.number, question, value)
        if question in ("mark", "state"):
            return self._spread(worker, question, value)
        if question == "lists":
            for member in self._colleagues(worker):
                if member.channel is not None:
                    member.channel.tell("lists")
            return None
        if question == "hello":
            return self._hello(worker, value)
        if question == "join":
            return self._join(worker, value)
        if question == "listens":
            worker.listens = True
            return True
        if question == "consent":
            token, principal, call, until = value
            self._consents.keep(token, (principal, call, until))
            return True
        if question == "redeem":
            return self._consents.take(value)
        raise ValueError(f"no such question: {question}")

    def _hello(self, worker: SeatedWorker, value: Any) -> dict[str, Any]:
        worker.number, worker.pid = value
        if (before := self._workers.get(worker.number)) is not None:
            self._lose(before)  # its line ends only now
        self._workers[worker.number] = worker
        return {
            "sha256": self.opened.sha256,
            "bundle": self.text,
            "marks": [mark_row(*row) for row in self._taints.marks()],
            "states": [state_row(*row) for row in self._states.entries()],
        }

    def _join(self, worker: SeatedWorker, sha256: str) -> list[str] | None:
        """Whom to deny; None where the worker began with a bundle that is not in force any more."""
        if sha256 != self.opened.sha256:
            return None
        worker.joined, worker.sha256 = True, sha256
        return sorted(self._denied)

    async def _spread(self, sender: SeatedWorker, kind: str, row: Any) -> bool:
        """Keep a fact, and have every other worker confirm it."""
        if kind == "mark":
            principal_id, mark, suspected = read_mark(row)
            self._taints.put(principal_id, mark, suspected=suspected)
        else:
            self._states.put(*read_state(row))
        colleagues = self._colleagues(sender)
        answers = await asyncio.gather(
            *(_ask(worker, kind, row, within=self.fact_seconds) for worker in colleagues), return_exceptions=True
        )
        for worker, answer in zip(colleagues, answers, strict=True):
            if isinstance(answer, BaseException):
                self._end(worker, f"it did not confirm what another worker learned ({answer})")
        return True

    def _colleagues(self, sender: SeatedWorker) -> list[SeatedWorker]:
        return [worker for worker in self._workers.values() if worker is not sender]

    def _end(self, worker: SeatedWorker, problem: str) -> None:
        """End a worker that does not know what it must; the supervisor puts another in its place."""
        if self._workers.get(worker.number) is not worker:
            return
        log.error("worker %d is ended, and another takes its place: %s", worker.number, problem)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        if worker.channel is not None:
            worker.channel.close()

    def _lose(self, worker: SeatedWorker) -> None:
        if self._workers.get(worker.number) is worker:
            del self._workers[worker.number]
            self._losses += 1
            self._counting.lose(worker.number)
            self._expositions.keep(worker.number)

    # -- the operator -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _admin(self) -> Any:
        port = self.opened.config.admin_port
        if port is None:
            yield
            return
        rows = ((JWKS_PATH, self._jwks), ("/readyz", self._readyz), ("/metrics", self._metrics))
        app = Starlette(routes=[Route(path, answer, methods=["GET"]) for path, answer in rows])
        async with listening_on(app, port):
            yield

    async def readiness(self) -> dict[str, Any]:
        """The document of /readyz, of all workers together."""
        states = await asyncio.gather(*map(self._state, range(1, self.crew.count + 1)))
        source = self.crew.source.members() if self.crew.source is not None else {}
        return joint_readiness(self.opened, states, source)

    async def _state(self, number: int) -> WorkerState:
        worker, document = self._workers.get(number), None
        if worker is not None and worker.listens:
            with contextlib.suppress(ChannelSilent):
                document = await _ask(worker, "readiness")
        return WorkerState(number, worker.pid if worker else None, document)

    async def _readyz(self, _: Request) -> Response:
        state = await self.readiness()
        return JSONResponse(state, 200 if state["ready"] else 503)

    async def _metrics(self, _: Request) -> Response:
        texts: dict[int, str] = {}
        for number, worker in tuple(self._workers.items()):
            if worker.listens:
                with contextlib.suppress(ChannelSilent):
                    texts[number] = await _ask(worker, "metrics")
        readiness = await self.readiness()
        text = self._expositions.joined(texts, losses=self._losses, readiness=readiness)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _jwks(self, _: Request) -> Response:
        for worker in tuple(self._workers.values()):
            with contextlib.suppress(ChannelSilent):
                document = await _ask(worker, "jwks")
                if document is not None:
                    return JSONResponse(document, headers={"cache-control": "max-age=60"})
        return PlainTextResponse("origin.identity is none: the server is not told who calls\n", 404)


async def _ask(worker: SeatedWorker, question: str, value: Any = None, *, within: float = 2.0) -> Any:
    if worker.channel is None:
        raise ChannelSilent("the worker is gone")
    return await worker.channel.ask(question, value, within=within)
