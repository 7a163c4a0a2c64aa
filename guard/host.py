"""The guards of one host in one process: a folder each, with a configuration, ports, limits and an audit log of its own.

A folder is named as its server (``prod.tickets``) and holds what `guard-signing.pub` checks: `guard.bundle.json`. A server
whose configuration cannot be put in force is refused by name: its ports stay closed, it is tried again at every look, and
the others go on. A folder that is new is served from the next look on; one that is gone is served no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import resource
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guard.bundle.bundle import Opened, OpenedBundle
from guard.bundle.keys import load_public_keys
from guard.bundle.source import BundleSource, NeedsRestart, pause
from guard.decide.taint import TaintCircle
from guard.host_memory import message_memory
from guard.http.request_bounds import DEFAULT_BOUNDS
from guard.listening import listening_on, serve, settle
from guard.logs import SERVER
from guard.memory import MessageMemory
from guard.running import AnyGuardService, running
from model.errors import InputError, RingwallError
from model.guardless import NO_GUARD

log = logging.getLogger("ringwall.guard")

BUNDLE = "guard.bundle.json"
PUBLIC_KEY = "guard-signing.pub"
_NAME = re.compile(r"([a-z](?:[a-z0-9-]{0,38}[a-z0-9])?)\.([a-z](?:[a-z0-9-]{0,38}[a-z0-9])?)")


@dataclass
class ServedFolder:
    """One server's folder. `service` is its guard once its port is open, `problem` why it is not.

    `renewed` says that it ends only to begin again, by a configuration that a running guard cannot change over to.
    """

    name: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    service: AnyGuardService | None = None
    problem: str | None = None
    renewed: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self.task is not None and self.task.done()


class GuardHost:
    """Serves every folder of `folder`; what guards keep is in `state`, a folder for each.

    Args:
        every: seconds between two looks for new configurations and folders.
        check: called with a configuration before anything is opened for it; raises RingwallError to refuse it.
        sockets: the folder of the commands' sockets, as `GuardService.open`.
        memory: what the messages of all servers may take together; by default a share of what there is.
    """

    def __init__(
        self,
        folder: Path,
        state: Path,
        every: float,
        *,
        check: Callable[[Opened], None] = lambda _: None,
        sockets: Path | None = None,
        memory: MessageMemory | None = None,
    ) -> None:
        self._memory = memory or message_memory(several=True)
        self._folder = folder
        self._state = state
        self._every = every
        self._check = check
        self._sockets = sockets
        self._nudge = asyncio.Event()
        self._served: dict[str, ServedFolder] = {}
        #: By environment: the same name is another principal in another one.
        self._circles: defaultdict[str, TaintCircle] = defaultdict(TaintCircle)
        self._strangers: frozenset[str] = frozenset()

    @property
    def services(self) -> Mapping[str, AnyGuardService]:
        """The guards whose ports are open, by server."""
        return {name: served.service for name, served in sorted(self._served.items()) if served.service is not None}

    @property
    def refused(self) -> Mapping[str, str]:
        """The servers whose ports are closed, and why."""
        return {name: served.problem for name, served in sorted(self._served.items()) if served.problem is not None}

    def hurry(self) -> None:
        """Look at every folder and configuration now, not only when the time has come."""
        for event in (self._nudge, *(served.nudge for served in self._served.values())):
            event.set()

    def status(self) -> dict[str, Any]:
        """Every server of the host: whether it is ready, and what keeps it from being so."""
        states = {name: service.readiness() for name, service in self.services.items()}
        servers = {
            name: {
                "ready": state["ready"],
                "problems": state["problems"],
                "bundle": state["bundle"],
                "admin_port": self.services[name].runtime.policy.config.admin_port,
            }
            for name, state in states.items()
        }
        ready = len(states) == len(self._served) and all(state["ready"] for state in states.values())
        return {"version": 1, "ready": ready, "servers": servers, "refused": dict(self.refused)}

    async def run(self, stop: asyncio.Event, *, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, then let calls under way end. `started` is called once every server listens or is refused.

        Raises:
            InputError: no server of the host can be served.
        """
        try:
            await self._serve_folders()
            if not self.services:
                raise self._nothing()
            settle()
            started()
            watching = asyncio.get_running_loop().create_task(self._watch())
            stopping = asyncio.ensure_future(stop.wait())
            try:
                finished, _ = await asyncio.wait([watching, stopping], return_when=asyncio.FIRST_COMPLETED)
                if watching in finished:
                    await watching  # it ends by an error alone
            finally:
                stopping.cancel()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        finally:
            for served in self._served.values():
                served.stop.set()
            await asyncio.gather(*(served.task for served in self._served.values() if served.task))

    async def _watch(self) -> None:
        while True:
            await pause(self._every, self._nudge)
            if await self._serve_folders():
                settle()

    def _nothing(self) -> InputError:
        if not self.refused:
            text = f"holds no folder of a server, such as prod.tickets with {BUNDLE} and {PUBLIC_KEY}"
            return InputError(text, file=self._folder, remedy="name the folder that holds the servers' folders")
        reasons = "".join(f"\n  {name}: {problem}" for name, problem in self.refused.items())
        return InputError(f"no server of this host can be served:{reasons}", remedy="correct one of them at least")

    async def _serve_folders(self) -> bool:
        """Serve the folders that are new or were refused, and end those that are gone. True if a server began to listen."""
        names = self._names()
        for name in self._served.keys() - names:
            log.warning("%s: its folder is gone, so it is served no more", name)
            served = self._served[name]
            served.stop.set()
            if served.task is not None:
                await served.task
            del self._served[name]
        waiting = [name for name in sorted(names) if name not in self._served or self._served[name].has_ended]
        # One after the other: the first one compiles what all share, and of two with one port the first keeps it.
        for name in waiting:
            before = self._served.get(name)
            served = self._served[name] = ServedFolder(name)
            listens = asyncio.Event()
            served.task = asyncio.get_running_loop().create_task(self._serve(served, listens, len(names)))
            first = asyncio.ensure_future(listens.wait())
            await asyncio.wait([served.task, first], return_when=asyncio.FIRST_COMPLETED)
            first.cancel()
            if served.problem is not None and (before is None or before.problem != served.problem):
                log.error("%s is refused, and its ports stay closed: %s", name, served.problem)
        return any(self._served[name].service is not None for name in waiting)

    def _names(self) -> set[str]:
        try:
            folders = {entry.name for entry in self._folder.iterdir() if entry.is_dir() and entry.name[0] != "."}
        except OSError as error:
            if not self._served:
                raise InputError(
                    f"cannot be read ({error.strerror})", file=self._folder, remedy="name the folder of the servers"
                ) from None
            log.error("%s cannot be read (%s): what is served stays so", self._folder, error.strerror)
            return set(self._served)
        names = {name for name in folders if _NAME.fullmatch(name) and not self._does_without(name)}
        strangers = frozenset(name for name in folders if not _NAME.fullmatch(name))
        for name in sorted(strangers - self._strangers):
            log.warning("%s is no server's name such as prod.tickets, so this folder is not served", name)
        self._strangers = strangers
        return names

    def _does_without(self, name: str) -> bool:
        """Whether a folder is of a model route without a guard. A bundle says that it has one again."""
        folder = self._folder / name
        return (folder / NO_GUARD).exists() and not (folder / BUNDLE).exists()

    async def _serve(self, served: ServedFolder, listens: asyncio.Event, count: int) -> None:
        """Serve one folder until it is stopped. Ends with a `problem` where that fails."""
        SERVER.set(served.name)
        try:
            await self._serve_folder(served, listens, count)
        except RingwallError as error:
            if served.service is not None:
                log.error("its ports are closed: %s", error)
            served.problem = str(error)
        except Exception as error:  # of whatever kind: one server's fault is no other's
            log.exception("the guard of %s failed", served.name)
            served.problem = f"{type(error).__name__}: {error}"
        finally:
            served.service = None
            if served.renewed:
                self._nudge.set()

    async def _serve_folder(self, served: ServedFolder, listens: asyncio.Event, count: int) -> None:
        folder, state = self._folder / served.name, self._state / served.name
        environment, _, server = served.name.partition(".")
        source = BundleSource(
            str(folder / BUNDLE),
            load_public_keys([folder / PUBLIC_KEY]),
            state,
            expected_server=(environment, server),
        )
        loaded = await source.load_first()
        self._check(loaded.opened)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // count
        bounds = DEFAULT_BOUNDS.within(files)
        async with running(loaded.opened, state, bounds=bounds, sockets=self._sockets, memory=self._memory) as service:
            service.runtime.source_status = source.members
            circle = self._circles[environment]

            if service.runtime.taints is not None:
                circle.join(served.name, service.runtime.taints)

            def say() -> None:
                served.service = service
                listens.set()

            async def apply(loaded: OpenedBundle) -> None:
                try:
                    await service.apply(loaded.opened)
                except NeedsRestart:
                    # The others of this process go on.
                    log.warning("bundle %d needs a restart of this guard, which follows", loaded.bundle.sequence)
                    served.renewed = True
                    served.stop.set()
                    raise

            watching = asyncio.get_running_loop().create_task(source.watch(apply, self._every, served.nudge))
            try:
                await serve(service, served.stop, started=say)
                if not served.stop.is_set():
                    raise RingwallError("its listener ended by itself")
            finally:
                circle.leave(served.name)
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching


@contextlib.asynccontextmanager
async def host_admin(host: GuardHost, port: int | None) -> AsyncIterator[None]:
    """`/readyz` of the whole host on a loopback port: 503 while any of its servers is refused or not ready."""
    if port is None:
        yield
        return

    async def readyz(_: Request) -> Response:
        status = host.status()
        return JSONResponse(status, 200 if status["ready"] else 503)

    async with listening_on(Starlette(routes=[Route("/readyz", readyz, methods=["GET"])]), port):
        yield
