"""A command that is an MCP server, running: its lines in and out, and each message given to the request it belongs to.

Which process serves whom, and when one is started or ended, is decided in `guard.http.stdio`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any

from guard.decide import methods
from guard.decide.methods import Addressee
from guard.http.upstream import UpstreamAnswer, UpstreamDown
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Id, Message, Notification, Request, classify
from wire.sse import Event

log = logging.getLogger("ringwall.guard.stdio")

#: The longest line, in bytes, that the command may write; it is ended after a longer one.
MAX_LINE = 16 * 1024 * 1024
#: Messages kept for a client that does not read.
MAX_WAITING = 1024
#: How long a command may take to end by itself once its input is closed.
GRACE_SECONDS = 2.0
#: The ids of the guard's own requests begin here; they fit 32 bits.
INTERNAL_IDS = 2_000_000_000
#: Methods whose result holds the server's capabilities.
_INTRODUCTIONS = ("initialize", "server/discover")
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Inbox:
    """The server's messages about one request, kept until the client reads them.

    `id` is the request's id as the client chose it, `sent_id` as the server was given it. `internal`: the guard itself asks,
    so what the server asks of a client is not for this inbox.
    """

    def __init__(self, request: Request, sent_id: Id, *, internal: bool = False) -> None:
        self.method = request.method
        self.internal = internal
        self.id = request.id
        self.sent_id = sent_id
        self.body = request.body if sent_id == request.id else {**request.body, "id": sent_id}
        meta = request.params.get("_meta")
        self.token = meta.get("progressToken") if isinstance(meta, dict) else None
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()

    def is_named(self, token: Any, subscription: Any) -> bool:
        """Whether this request brought the progress token, or opened the subscription of this id."""
        return (token is not None and self.token == token) or (
            subscription is not None and self.sent_id == subscription
        )

    def put(self, message: Message | None) -> None:
        """Keep `message` for the client. None says that nothing follows."""
        # The queue of a client that does not read fills up. The client then loses its stream; the process goes on.
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


class CommandProcess:
    """One running command: writes requests to it, reads its lines, and gives each message to the request it belongs to."""

    def __init__(self, child: asyncio.subprocess.Process, owner: str) -> None:
        self._child = child
        self.owner = owner
        self._asked: dict[Id, Inbox] = {}
        self._listener: Inbox | None = None
        self._number = 0
        self._writing = asyncio.Lock()
        self._enders: list[Any] = []
        self.ended = False
        #: The server's capabilities, once it has introduced itself, and whether its client has finished the introduction.
        self.capabilities: Mapping[str, Any] | None = None
        self.introduced = False
        self._reader = asyncio.get_running_loop().create_task(self._read())

    def on_end(self, call: Any) -> None:
        self._enders.append(call)

    @property
    def busy(self) -> bool:
        """Whether a client waits for an answer."""
        return any(not inbox.internal for inbox in self._asked.values())

    def ask(self, request: Request, *, renumber: bool, internal: bool = False) -> Inbox:
        """Register a request. An `internal` one gets a number as its id, as every client's has: a few servers know no
        other ids. No client uses such numbers."""
        if self.ended:
            raise UpstreamDown("the command ended")
        self._number += 1
        if internal:
            sent_id: Id = INTERNAL_IDS + self._number
        else:
            sent_id = f"ringwall-{self._number}" if renumber else request.id
        inbox = Inbox(request, sent_id, internal=internal)
        if inbox.sent_id in self._asked:
            raise UpstreamDown("an id is in use already")
        self._asked[inbox.sent_id] = inbox
        return inbox

    def settle(self, inbox: Inbox) -> None:
        self._asked.pop(inbox.sent_id, None)

    async def abandon(self, inbox: Inbox) -> None:
        """The client closed its connection before the answer. In the 2026 era that cancels, so the server is told."""
        if self._asked.pop(inbox.sent_id, None) is None or self.ended or inbox.sent_id == inbox.id:
            return
        params = {"requestId": inbox.sent_id, "reason": "the client closed the stream"}
        with contextlib.suppress(UpstreamDown):
            await self.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def listen(self) -> UpstreamAnswer:
        """Open the session's own stream, which replaces an earlier one."""
        if self._listener is not None:
            self._listener.put(None)
        self._listener = Inbox(Request("", "", {}, {}), "")
        return EventStreamAnswer({}, self, self._listener, None, None, standalone=True)

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
                if inbox.method in _INTRODUCTIONS and message.result is not None:
                    capabilities = message.result.get("capabilities")
                    self.capabilities = capabilities if isinstance(capabilities, dict) else {}
                inbox.put(Answer(inbox.id, message.result, message.error, _renamed(message.body, inbox)))
            return
        inbox = self._addressee(message)
        if inbox is not None:
            inbox.put(_addressed(message, inbox))
        elif isinstance(message, Request):
            log.warning("the command asks %s of nobody", message.method)

    def _addressee(self, message: Request | Notification) -> Inbox | None:
        """The reader of a message, as the table of methods says. A message marked with a subscription goes to that
        subscription alone."""
        addressee = methods.SERVER.get(message.method, methods.UNKNOWN).addressee
        latest = next((inbox for inbox in reversed(self._asked.values()) if not inbox.internal), None)
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
        """End the process as MCP has it for stdio: close its input, then SIGTERM, then SIGKILL, with a pause after each."""
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


class EventStreamAnswer(UpstreamAnswer):
    """Messages of a process as server-sent events. `standalone`: the session's own stream, which answers no request."""

    def __init__(
        self,
        headers: Mapping[str, str],
        process: CommandProcess,
        inbox: Inbox,
        first: Message | None,
        silence: float | None,
        *,
        standalone: bool = False,
    ) -> None:
        super().__init__(200, headers, "text/event-stream")
        self._process = process
        self._inbox = inbox
        self._first = first
        self._silence = silence
        self._standalone = standalone
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
        if not self._standalone:
            self._closing = asyncio.get_running_loop().create_task(self._process.abandon(self._inbox))


def _event(message: Message) -> bytes:
    return Event(dump(message.body).decode(), "message").encode()


def _renamed(body: Mapping[str, Any], inbox: Inbox) -> dict[str, Any]:
    """The answer with the id that the client chose, also where a subscription is marked with it."""
    shown = {**body, "id": inbox.id}
    result = shown.get("result")
    if isinstance(result, dict) and isinstance(result.get("_meta"), dict) and _SUBSCRIPTION in result["_meta"]:
        shown["result"] = {**result, "_meta": {**result["_meta"], _SUBSCRIPTION: inbox.id}}
    return shown


def _addressed(message: Message, inbox: Inbox) -> Message:
    """The message with the subscription's id as the client chose it."""
    if not isinstance(message, Notification) or inbox.sent_id == inbox.id:
        return message
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or _SUBSCRIPTION not in meta:
        return message
    params = {**message.params, "_meta": {**meta, _SUBSCRIPTION: inbox.id}}
    return Notification(message.method, params, {**message.body, "params": params})
