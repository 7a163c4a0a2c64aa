"""An MCP server that is a command: the guard starts it and speaks Streamable HTTP for it, so no port exists at all.

Every legacy session has a process of its own, as a stdio server keeps one client's state; requests of the 2026 era
share one process per principal. Ids of the 2026 era are replaced on the way, as two clients may choose the same.
The command inherits nothing but PATH, HOME and the like, and the variables that its stack file names.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any

from guard.decide import methods
from guard.decide.answers import status_of
from guard.decide.methods import Addressee
from guard.http.upstream import UpstreamAnswer, UpstreamDown, UpstreamFull
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Id, Message, Notification, Request, classify
from wire.sse import Event

log = logging.getLogger("ringwall.guard.stdio")

#: What a command inherits besides its own variables (the official SDK's safe list).
_INHERITED = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TMPDIR")
MAX_LINE = 16 * 1024 * 1024
MAX_PROCESSES = 512
#: Sessions of one principal; one more ends its least recently used one, so that nobody can take all there are.
MAX_OF_ONE = 64
#: Messages kept for a client that does not read.
MAX_WAITING = 1024
#: How long a command may take to end by itself once its input is closed.
GRACE_SECONDS = 2.0
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class StdioUpstream:
    """Many processes of one command behind the interface of `guard.http.upstream.Upstream`.

    `silence` is the longest time without a word from the server while an answer is awaited.
    """

    def __init__(
        self, command: tuple[str, ...], environment: Mapping[str, str], directory: str | None, *, silence: float = 300.0
    ) -> None:
        self._command = command
        self._environment = {key: os.environ[key] for key in _INHERITED if key in os.environ} | dict(environment)
        self._directory = directory
        self._silence = silence
        self._sessions: dict[str, _Process] = {}
        self._shared: dict[str, _Process] = {}
        self._starting: dict[str, asyncio.Lock] = {}

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None, *, owner: str) -> UpstreamAnswer:
        """One HTTP request as the server would have answered it; raises UpstreamDown."""
        session = headers.get("mcp-session-id")
        if verb == "GET":
            process = self._of_session(session)
            return _gone() if process is None else process.listen()
        if verb == "DELETE":
            process = self._sessions.pop(session or "", None)
            if process is None:
                return _gone()
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
            return _gone()
        return await self._exchange(process, message, {}, renumber=False)

    async def _initialize(self, message: Request, owner: str) -> UpstreamAnswer:
        # One at a time, so that many at once cannot pass the count together.
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
        own = [(session, process) for session, process in self._sessions.items() if process.owner == owner]
        if len(own) >= MAX_OF_ONE:
            # In the order of their use, as every use puts a session last.
            session, oldest = own[0]
            del self._sessions[session]
            await oldest.end()

    async def _shared_process(self, owner: str) -> _Process:
        lock = self._starting.setdefault(owner, asyncio.Lock())
        async with lock:
            process = self._shared.get(owner)
            if process is None or process.ended:
                process = self._shared[owner] = await self._start(owner)
            return process

    async def _start(self, owner: str) -> _Process:
        for owner_gone in [name for name, process in self._shared.items() if process.ended]:
            del self._shared[owner_gone]
        if len(self._sessions) + len(self._shared) >= MAX_PROCESSES:
            raise UpstreamFull(f"{MAX_PROCESSES} processes of the command run already")
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=self._environment,
                cwd=self._directory,
                limit=MAX_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise UpstreamDown(f"the command cannot be started ({error.strerror})", sent=False) from None
        return _Process(child, owner)

    async def _exchange(
        self, process: _Process, message: Message, headers: Mapping[str, str], *, renumber: bool
    ) -> UpstreamAnswer:
        if not isinstance(message, Request):
            if not (renumber and isinstance(message, Notification)):
                await process.write(message.body)
            return UpstreamAnswer(202, headers, "")
        inbox = process.ask(message, renumber=renumber)
        row = methods.CLIENT.get(message.method)
        patience = None if row is not None and row.endless else self._silence
        try:
            await process.write(inbox.body)
            first = await inbox.next(patience)
        except BaseException:
            await process.abandon(inbox)
            raise
        if isinstance(first, Answer):
            process.settle(inbox)
            return _JsonAnswer(_status(first, modern=renumber), headers, dump(first.body))
        return _Stream(headers, process, inbox, first, patience)

    def _of_session(self, session: str | None) -> _Process | None:
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


class _Inbox:
    """What the server says about one request, as the client numbered it."""

    def __init__(self, request: Request, sent_id: Id) -> None:
        self.id = request.id
        self.sent_id = sent_id
        self.body = request.body if sent_id == request.id else {**request.body, "id": sent_id}
        meta = request.params.get("_meta")
        self.token = meta.get("progressToken") if isinstance(meta, dict) else None
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()

    def is_named(self, token: Any, subscription: Any) -> bool:
        """Whether this is the request that gave the progress token, or that the subscription is called after."""
        return (token is not None and self.token == token) or (
            subscription is not None and self.sent_id == subscription
        )

    def put(self, message: Message | None) -> None:
        """Keep `message` for the client; None: nothing follows."""
        # A client that does not read lets the queue fill; it loses its stream, not the process.
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put_nowait(message)
        elif self._queue.qsize() == MAX_WAITING:
            self._queue.put_nowait(None)

    async def next(self, silence: float | None) -> Message:
        """The next message; raises UpstreamDown after `silence` seconds without one, or when the process ended."""
        try:
            message = await asyncio.wait_for(self._queue.get(), silence)
        except TimeoutError:
            raise UpstreamDown("the command says nothing") from None
        if message is None:
            raise UpstreamDown("the command ended")
        return message


class _Process:
    """One running command: lines out, lines in, each line given to whom it belongs."""

    def __init__(self, child: asyncio.subprocess.Process, owner: str) -> None:
        self._child = child
        self.owner = owner
        self._asked: dict[Id, _Inbox] = {}
        self._listener: _Inbox | None = None
        self._number = 0
        self._writing = asyncio.Lock()
        self._enders: list[Any] = []
        self.ended = False
        self._reader = asyncio.get_running_loop().create_task(self._read())

    def on_end(self, call: Any) -> None:
        self._enders.append(call)

    def ask(self, request: Request, *, renumber: bool) -> _Inbox:
        if self.ended:
            raise UpstreamDown("the command ended")
        self._number += 1
        inbox = _Inbox(request, f"ringwall-{self._number}" if renumber else request.id)
        if inbox.sent_id in self._asked:
            raise UpstreamDown("an id is in use already")
        self._asked[inbox.sent_id] = inbox
        return inbox

    def settle(self, inbox: _Inbox) -> None:
        self._asked.pop(inbox.sent_id, None)

    async def abandon(self, inbox: _Inbox) -> None:
        """The client went before the answer. The server is told where going is cancelling (the 2026 era)."""
        if self._asked.pop(inbox.sent_id, None) is None or self.ended or inbox.sent_id == inbox.id:
            return
        params = {"requestId": inbox.sent_id, "reason": "the client closed the stream"}
        with contextlib.suppress(UpstreamDown):
            await self.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def listen(self) -> UpstreamAnswer:
        """The session's own stream; a new one takes the place of the old one."""
        if self._listener is not None:
            self._listener.put(None)
        self._listener = _Inbox(Request("", "", {}, {}), "")
        return _Stream({}, self, self._listener, None, None, own=True)

    async def write(self, body: Mapping[str, Any]) -> None:
        line = dump(body) + b"\n"
        stdin = self._child.stdin
        if self.ended or stdin is None:
            raise UpstreamDown("the command ended")
        async with self._writing:
            try:
                stdin.write(line)
                await stdin.drain()
            except (ConnectionError, RuntimeError):
                raise UpstreamDown("the command does not read") from None

    async def _read(self) -> None:
        stdout = self._child.stdout
        try:
            while stdout is not None and (line := await stdout.readline()):
                if line.strip():
                    self._take(line)
        except ValueError:
            log.warning("the command wrote a line over %d bytes and is ended", MAX_LINE)
        finally:
            self._over()
            self._kill(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                await self._child.wait()

    def _take(self, line: bytes) -> None:
        try:
            message = classify(parse(line))
        except Malformed:
            log.warning("the command wrote a line that is not a JSON-RPC message")
            return
        if isinstance(message, Answer):
            inbox = None if message.id is None else self._asked.get(message.id)
            if inbox is not None:
                inbox.put(Answer(inbox.id, message.result, message.error, _renamed(message.body, inbox)))
            return
        inbox = self._addressee(message)
        if inbox is not None:
            inbox.put(_for(message, inbox))
        elif isinstance(message, Request):
            log.warning("the command asks %s of nobody", message.method)

    def _addressee(self, message: Request | Notification) -> _Inbox | None:
        """Whom the message is for, as the table of methods says; what is marked with a subscription is that one's alone."""
        addressee = methods.SERVER.get(message.method, methods.UNKNOWN).addressee
        latest = next(reversed(self._asked.values()), None)
        if addressee is Addressee.LATEST_CALL:
            return latest or self._listener
        token = message.params.get("progressToken") if addressee is Addressee.CALL else None
        meta = message.params.get("_meta")
        subscription = meta.get(_SUBSCRIPTION) if isinstance(meta, dict) else None
        if token is not None or subscription is not None:
            return next((inbox for inbox in self._asked.values() if inbox.is_named(token, subscription)), None)
        return self._listener or latest

    def _over(self) -> None:
        self.ended = True
        for inbox in [*self._asked.values(), *([self._listener] if self._listener else [])]:
            inbox.put(None)
        self._asked.clear()
        for call in self._enders:
            call()

    def _kill(self, number: int) -> None:
        # The whole group: a wrapper such as npx leaves its child behind otherwise.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    async def end(self) -> None:
        """Close its input, then ask, then force (MCP stdio shutdown)."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._kill(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), GRACE_SECONDS)
                break
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader


class _JsonAnswer(UpstreamAnswer):
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status, headers, "application/json")
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body


class _Stream(UpstreamAnswer):
    """Messages of a process as server-sent events. `own`: the session's own stream, which answers no request."""

    def __init__(
        self,
        headers: Mapping[str, str],
        process: _Process,
        inbox: _Inbox,
        first: Message | None,
        silence: float | None,
        *,
        own: bool = False,
    ) -> None:
        super().__init__(200, headers, "text/event-stream")
        self._process = process
        self._inbox = inbox
        self._first = first
        self._silence = silence
        self._own = own
        self._closing: asyncio.Task[None] | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._first is not None:
            yield _event(self._first)
        while True:
            message = await self._inbox.next(self._silence)
            yield _event(message)
            if isinstance(message, Answer):
                self._process.settle(self._inbox)
                return

    def close(self) -> None:
        if not self._own:
            self._closing = asyncio.get_running_loop().create_task(self._process.abandon(self._inbox))


def _event(message: Message) -> bytes:
    return Event(dump(message.body).decode(), "message").encode()


def _renamed(body: Mapping[str, Any], inbox: _Inbox) -> dict[str, Any]:
    """The answer under the client's own id, in its subscription mark too."""
    shown = {**body, "id": inbox.id}
    result = shown.get("result")
    if isinstance(result, dict) and isinstance(result.get("_meta"), dict) and _SUBSCRIPTION in result["_meta"]:
        shown["result"] = {**result, "_meta": {**result["_meta"], _SUBSCRIPTION: inbox.id}}
    return shown


def _for(message: Message, inbox: _Inbox) -> Message:
    if not isinstance(message, Notification) or inbox.sent_id == inbox.id:
        return message
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or _SUBSCRIPTION not in meta:
        return message
    params = {**message.params, "_meta": {**meta, _SUBSCRIPTION: inbox.id}}
    return Notification(message.method, params, {**message.body, "params": params})


def _status(answer: Answer, *, modern: bool) -> int:
    """What the official SDK's HTTP server would send for this error (2026-07-28)."""
    if answer.error is None or not modern:
        return 200
    return status_of(int(answer.error["code"]), modern=True)


def _gone() -> UpstreamAnswer:
    return UpstreamAnswer(404, {}, "")
