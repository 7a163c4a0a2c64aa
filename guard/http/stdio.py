"""The upstream of an MCP server that is a command: which process answers a request, and when one starts and ends.

The guard starts the command, or has it started by connecting to its socket, and speaks Streamable HTTP in its place, so
the server has no port at all. Every legacy
session has a process of its own, because a stdio server keeps one client's state. Requests of the 2026 era share one
process per principal, and their ids are replaced on the way, because two clients may choose the same id. The command
inherits nothing but PATH, HOME and the like, and the variables that its stack file names.

How one process is read and written is in `guard.http.stdio_process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

from guard.decide import methods
from guard.decide.answers import status_of
from guard.http.stdio_command import READ_AHEAD, ChildCommand, connect
from guard.http.stdio_process import CommandProcess, EventStreamAnswer
from guard.http.stdio_road import CopyRoad, SharedRoad
from guard.http.upstream import Road, Slip, UpstreamAnswer, UpstreamDown, UpstreamFull
from guard.identity.introduction import CallerIntroduction
from guard.memory import Room, Rooms, unbounded
from wire.json import dump, parse
from wire.jsonrpc import Answer, Message, Notification, Request, classify

#: What a command inherits besides its own variables (the official SDK's safe list).
_INHERITED = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TMPDIR")
MAX_PROCESSES = 512
#: Sessions of one principal. A further one ends its least recently used one, so that nobody can take every process.
MAX_PER_PRINCIPAL = 64
#: How the key of a place begins: a session's process, or the one that a principal's requests of the 2026 era share.
_SESSION, _SHARED = "s", "p"


class StdioUpstream:
    """Many processes of one command behind the interface of `guard.http.upstream.Upstream`.

    `introduction` is for the guard's own requests. `silence` is how long, in seconds, the server may send nothing while an
    answer is awaited. `stderr` is a file for what the command writes there. With `socket` no process is started here: each
    connection to it has the command started elsewhere, with the variables and the folder that are set there. `rooms` has the
    memory for what a command writes.
    """

    #: A command is sent no headers.
    exchanged = None

    def __init__(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        directory: str | None,
        *,
        introduction: CallerIntroduction | None = None,
        silence: float = 300.0,
        stderr: IO[str] | None = None,
        socket: Path | None = None,
        rooms: Rooms = unbounded,
    ) -> None:
        self._rooms = rooms
        self._socket = socket
        self._command = command
        self._secrets = tuple(environment.values())
        self._environment = {key: os.environ[key] for key in _INHERITED if key in os.environ} | dict(environment)
        self._directory = directory
        self._introduction = introduction
        self._silence = silence
        self._stderr: IO[str] | int = asyncio.subprocess.PIPE if stderr is None else stderr
        #: Held while a copy of the command runs for a probe, and while a client's process starts: two processes at once may
        #: disturb one another (a database's lock, a fixed port).
        self._starts = asyncio.Lock()
        self._sessions: dict[str, CommandProcess] = {}
        self._shared: dict[str, CommandProcess] = {}
        self._starting: dict[str, asyncio.Lock] = {}

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None, *, owner: str) -> UpstreamAnswer:
        """Answer one HTTP request as a Streamable HTTP server would. Raises UpstreamDown."""
        session = headers.get("mcp-session-id")
        if verb == "GET":
            process = self._of_session(session)
            return _no_session() if process is None else process.listen()
        if verb == "DELETE":
            process = self._sessions.pop(session or "", None)
            if process is None:
                return _no_session()
            await process.end()
            return UpstreamAnswer(200, {}, "")
        message = classify(parse(body or b""))
        if "mcp-method" in headers:
            shared = await self._shared_process(owner)
            return await self._exchange(shared, message, {}, renumber=True)
        row = methods.CLIENT.get(message.method) if isinstance(message, Request) else None
        if isinstance(message, Request) and row is not None and row.opens_session:
            return await self._initialize(message, owner)
        process = self._of_session(session)
        if process is None:
            return _no_session()
        answer = await self._exchange(process, message, {}, renumber=False)
        if isinstance(message, Notification) and message.method == "notifications/initialized":
            process.introduced = True
        return answer

    def place(self, session: str | None, owner: str, *, modern: bool) -> str:
        place = f"{_SHARED}{owner}" if modern else f"{_SESSION}{session or ''}"
        return place if self._at(place) is not None else ""

    def _at(self, place: str) -> CommandProcess | None:
        kind, name = place[:1], place[1:]
        process = (self._shared if kind == _SHARED else self._sessions).get(name)
        return None if process is None or process.ended else process

    def _latest(self) -> str:
        """The place of the process that was used last among those that a probe can go through, one at rest before one that
        works; empty without any."""
        sessions = (f"{_SESSION}{name}" for name, process in reversed(self._sessions.items()) if process.introduced)
        places = [place for place in (*sessions, *(f"{_SHARED}{owner}" for owner in self._shared)) if self._at(place)]
        return min(places, key=lambda place: (process := self._at(place)) is None or process.busy, default="")

    @contextlib.asynccontextmanager
    async def road(self, place: str) -> AsyncIterator[Road]:
        """A probe's way: through the process at `place`, else through any that serves a client, else through a copy that
        is ended with it."""
        process = self._at(place or (place := self._latest()))
        if process is not None:
            yield self._through(process, place)
            return
        async with self._starts:
            process = self._at(place := self._latest())
            if process is not None:
                yield self._through(process, place)
                return
            copy = CopyRoad(await self._spawn(""), lambda: self._spawn(""), self._ask_copy)
            try:
                yield copy
            finally:
                await copy.process.end()

    def _through(self, process: CommandProcess, place: str) -> SharedRoad:
        return SharedRoad(process, self._ask_internally, modern=place.startswith(_SHARED))

    async def _ask_copy(self, process: CommandProcess, message: Message) -> UpstreamAnswer:
        return await self._exchange(process, self._introduced(message), {}, renumber=False)

    def _introduced(self, message: Message) -> Message:
        return message if self._introduction is None else self._introduction.message_of_guard(message)

    async def _ask_internally(self, process: CommandProcess, message: Message) -> UpstreamAnswer:
        return await self._exchange(process, self._introduced(message), {}, renumber=True, internal=True)

    async def _initialize(self, message: Request, owner: str) -> UpstreamAnswer:
        # One start at a time for each principal, so that requests sent together cannot all pass the count.
        async with self._starting.setdefault(owner, asyncio.Lock()):
            await self._make_room(owner)
            process = await self._start(owner)
            session = secrets.token_urlsafe(32)
            self._sessions[session] = process
        process.on_end(lambda: self._sessions.pop(session, None))
        try:
            return await self._exchange(process, message, {"mcp-session-id": session}, renumber=False)
        except BaseException:
            self._sessions.pop(session, None)
            await process.end()
            raise

    async def _make_room(self, owner: str) -> None:
        sessions = [(session, process) for session, process in self._sessions.items() if process.owner == owner]
        if len(sessions) >= MAX_PER_PRINCIPAL:
            # The first is the least recently used one: every use of a session moves it to the end of the table.
            session, oldest = sessions[0]
            del self._sessions[session]
            await oldest.end()

    async def _shared_process(self, owner: str) -> CommandProcess:
        lock = self._starting.setdefault(owner, asyncio.Lock())
        async with lock:
            process = self._shared.get(owner)
            if process is None or process.ended:
                process = self._shared[owner] = await self._start(owner)
            return process

    async def _start(self, owner: str) -> CommandProcess:
        for ended_owner in [name for name, process in self._shared.items() if process.ended]:
            del self._shared[ended_owner]
        if len(self._sessions) + len(self._shared) >= MAX_PROCESSES:
            raise UpstreamFull(f"{MAX_PROCESSES} processes of the command run already")
        async with self._starts:
            return await self._spawn(owner)

    async def _spawn(self, owner: str) -> CommandProcess:
        if self._socket is not None:
            return CommandProcess(await connect(self._socket), owner, rooms=self._rooms)
        if not isinstance(self._stderr, int):
            # Of a command that is started anew the last start's words count.
            self._stderr.seek(0)
            self._stderr.truncate()
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._stderr,
                env=self._environment,
                cwd=self._directory,
                limit=READ_AHEAD,
                start_new_session=True,
            )
        except OSError as error:
            raise UpstreamDown(f"the command cannot be started ({error.strerror})", sent=False) from None
        return CommandProcess(ChildCommand(child), owner, self._secrets, rooms=self._rooms)

    async def _exchange(
        self,
        process: CommandProcess,
        message: Message,
        headers: Mapping[str, str],
        *,
        renumber: bool,
        internal: bool = False,
    ) -> UpstreamAnswer:
        if not isinstance(message, Request):
            if isinstance(message, Notification) and message.method == "notifications/cancelled":
                process.cancel(message.params.get("requestId"))
            if not (renumber and isinstance(message, Notification)):
                await process.write(message.body)
            return UpstreamAnswer(202, headers, "")
        inbox = process.ask(message, renumber=renumber, internal=internal)
        row = methods.CLIENT.get(message.method)
        patience = None if row is not None and row.endless else self._silence
        try:
            await process.write(inbox.body)
            first, room = await inbox.next(patience)
        except BaseException as problem:
            await process.abandon(inbox)
            if isinstance(problem, UpstreamDown) and not isinstance(problem, Slip) and not process.ended:
                process.report(str(problem))
            raise
        if isinstance(first, Answer):
            process.settle(inbox)
            return _JsonAnswer(_status(first, modern=renumber), headers, dump(first.body), room)
        return EventStreamAnswer(headers, process, inbox, first, patience, room=room)

    def _of_session(self, session: str | None) -> CommandProcess | None:
        process = self._sessions.pop(session or "", None)
        if process is None or process.ended:
            return None
        self._sessions[session or ""] = process
        return process

    async def close(self) -> None:
        """End every process."""
        processes = [*self._sessions.values(), *self._shared.values()]
        self._sessions.clear()
        self._shared.clear()
        await asyncio.gather(*(process.end() for process in processes))


class _JsonAnswer(UpstreamAnswer):
    """A single JSON-RPC answer as the body of an HTTP response."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, room: Room | None) -> None:
        super().__init__(status, headers, "application/json")
        self._body = body
        self._room = room

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body


def _status(answer: Answer, *, modern: bool) -> int:
    """The HTTP status that the official SDK's server sends with this error (2026-07-28)."""
    if answer.error is None or not modern:
        return 200
    return status_of(int(answer.error["code"]), modern=True)


def _no_session() -> UpstreamAnswer:
    """What MCP has a server answer for a session that it does not know: 404."""
    return UpstreamAnswer(404, {}, "")
