"""A command that is an MCP server, running: its lines in and out, and each message given to the request it belongs to.

Which process serves whom, and when one is started or ended, is decided in `guard.http.stdio`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from guard.decide import methods
from guard.decide.answers import PARSE_ERROR, REFUSED, error
from guard.decide.methods import Addressee
from guard.decide.reasons import Reason
from guard.http.command_output import HeldLines, LastWords
from guard.http.stdio_command import RunningCommand
from guard.http.stdio_waiting import (
    MAX_WAITING,
    SUBSCRIPTION,
    Held,
    Inbox,
    Losses,
    addressed,
    concerns_session,
    forget,
    renamed,
)
from guard.http.upstream import (
    IdInUse,
    Slip,
    UnusableAnswer,
    UpstreamAnswer,
    UpstreamDown,
)
from guard.large_messages import take_step
from guard.memory import Room, Rooms, unbounded
from model.text import visible
from wire.faults import diagnose
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Id, Message, Notification, Request, classify
from wire.sse import Event

log = logging.getLogger("ringwall.guard.stdio")

#: The longest line, in bytes, that is read of the command.
MAX_LINE = 16 * 1024 * 1024
#: How long a command may take to end by itself once its input is closed.
GRACE_SECONDS = 2.0
#: The ids of the guard's own requests begin here; they fit 32 bits.
INTERNAL_IDS = 2_000_000_000
#: Methods whose result holds the server's capabilities.
_INTRODUCTIONS = ("initialize", "server/discover")


class CommandProcess:
    """One running command: writes requests to it, reads its lines, and gives each message to the request it belongs to."""

    def __init__(
        self, child: RunningCommand, owner: str, secrets: Collection[str] = (), *, rooms: Rooms = unbounded
    ) -> None:
        self._rooms = rooms
        self._child = child
        self.owner = owner
        self._asked: dict[Id, Inbox] = {}
        #: Requests whose answers nobody awaits any more and which may still come.
        self._abandoned: OrderedDict[Id, Inbox] = OrderedDict()
        self._losses = Losses()
        self._held = Held(self._refuse)
        self._listener: Inbox | None = None
        self._number = 0
        self._writing = asyncio.Lock()
        self._enders: list[Any] = []
        self._background: set[asyncio.Task[None]] = set()
        self.ended = False
        #: The server's capabilities, once it has introduced itself, and whether its client has finished the introduction.
        self.capabilities: Mapping[str, Any] | None = None
        self.introduced = False
        self._ending = False
        loop = asyncio.get_running_loop()
        self._last_words = None if child.stderr is None else LastWords(child.stderr, secrets)
        self._stderr = None if self._last_words is None else loop.create_task(self._last_words.read())
        self._reader = loop.create_task(self._read())

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
        row = methods.CLIENT.get(request.method)
        inbox.unanswerable = row is not None and row.endless
        if inbox.sent_id in self._asked:
            raise IdInUse
        self._asked[inbox.sent_id] = inbox
        self._abandoned.pop(inbox.sent_id, None)
        self._redeliver()
        return inbox

    def settle(self, inbox: Inbox) -> None:
        self._asked.pop(inbox.sent_id, None)
        forget(inbox.unread())

    def cancel(self, id_: Any) -> None:
        """The client cancels a request, which the server need not answer then."""
        if isinstance(id_, str | int) and (inbox := self._asked.get(id_)) is not None:
            inbox.unanswerable = True

    async def abandon(self, inbox: Inbox) -> None:
        """The client closed its connection before the answer. In the 2026 era that cancels, so the server is told."""
        if self._asked.get(inbox.sent_id) is not inbox:
            forget(inbox.unread())
            return
        self._leave(inbox)
        for message, room in inbox.unread():
            if isinstance(message, Request):
                self._give(message, room)
            else:
                forget([(message, room)])
        if self.ended or inbox.sent_id == inbox.id:
            return
        params = {"requestId": inbox.sent_id, "reason": "the client closed the stream"}
        with contextlib.suppress(UpstreamDown):
            await self.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def _leave(self, inbox: Inbox) -> None:
        """Await the answer no more, and know it when it comes."""
        self._asked.pop(inbox.sent_id, None)
        self._abandoned[inbox.sent_id] = inbox
        if len(self._abandoned) > MAX_WAITING:
            self._abandoned.popitem(last=False)

    def listen(self) -> UpstreamAnswer:
        """Open the session's own stream, which replaces an earlier one."""
        replaced, self._listener = self._listener, Inbox(Request("", "", {}, {}), "")
        self._redeliver()
        if replaced is not None:
            for message, room in replaced.unread():
                self._give(message, room)
            replaced.put(None)
        return EventStreamAnswer({}, self, self._listener, None, None, standalone=True)

    def unlisten(self, inbox: Inbox) -> None:
        """The client closed the session's own stream; what it did not read waits for another."""
        if self._listener is inbox:
            self._listener = None
            for message, room in inbox.unread():
                self._give(message, room)

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

    # -- what the command writes --------------------------------------------------------------------------------------

    async def _read(self) -> None:
        stdout, lines = self._child.stdout, HeldLines(MAX_LINE, lambda: self._rooms(self.owner))
        try:
            while stdout is not None and (chunk := await stdout.read(2**18)):
                async for line, room in lines.feed(chunk):
                    await self._take(line, room)
            async for line, room in lines.end():
                await self._take(line, room)
        finally:
            lines.close()
            ended_by_guard = self._ending
            self._over()
            self._child.kill(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                await self._child.wait()
            if self._stderr is not None:
                await asyncio.wait((self._stderr,), timeout=1)
                self._stderr.cancel()
            if not ended_by_guard:
                self.report(f"the command ended ({self._child.outcome()})")

    def report(self, problem: str) -> None:
        """Write a failure of the command to the guard's log, with what the command itself said of it."""
        if self._last_words is None:
            log.warning("%s", problem)
            return
        lines = self._last_words.take()
        words = "\n  ".join(("; the last lines of its stderr:", *lines)) if lines else "; it wrote nothing to stderr"
        log.warning("%s%s", problem, words)

    async def _take(self, line: bytes | Slip, room: Room | None) -> None:
        """Read a line, and give it to whom it is for with the memory that a large one takes."""
        message: Message | None = None
        if isinstance(line, Slip):
            log.warning("the command wrote a line that is not passed on: %s", line)
            self._lose(line)
        elif line and not line.isspace():
            try:
                message = await take_step(room.size if room else 0, _message_of, line)
            except Malformed as malformed:
                self._unreadable(line, malformed)
            except asyncio.CancelledError:
                if room is not None:
                    room.release()
                raise
        if isinstance(message, Answer):
            self._answered(message, room)
        elif message is not None:
            self._give(message, room)
        elif room is not None:
            room.release()

    def _answered(self, answer: Answer, room: Room | None) -> None:
        inbox = None if answer.id is None else self._asked.get(answer.id)
        if inbox is not None and not inbox.answered:
            if inbox.method in _INTRODUCTIONS and answer.result is not None:
                capabilities = answer.result.get("capabilities")
                self.capabilities = capabilities if isinstance(capabilities, dict) else {}
            shown = Answer(inbox.id, answer.result, answer.error, renamed(answer.body, inbox), answer.absent)
            inbox.put(shown, room)
            self._resolve(inbox)
            return
        if room is not None:
            room.release()
        if answer.id is not None and (late := self._abandoned.pop(answer.id, None)) is not None:
            self._resolve(late)
        else:
            log.warning("the command answered under an id that no request has")
            self._lose(UnusableAnswer(Reason.ORIGIN_WRONG_ID, "the id is that of no request", "/id"))

    def _unreadable(self, line: bytes, malformed: Malformed) -> None:
        """End the wait for an answer that came and cannot be read; the server is told of a request of that kind."""
        fault = diagnose(line)
        if not fault.is_message:
            log.warning("the command wrote a line that is not a JSON-RPC message")
            return
        slip = UnusableAnswer(Reason.ORIGIN_MALFORMED, str(malformed), fault.place)
        log.warning("the command wrote a message that cannot be read: %s", slip)
        if fault.asks is not None:
            self._tell(error(fault.asks, PARSE_ERROR, f"the message is refused: {malformed}"))
        if not fault.is_answer:
            return
        awaited = [inbox for id_ in fault.answers if (inbox := self._asked.get(id_)) is not None]
        for inbox in awaited:
            self._fail(inbox, slip)
        late = [inbox for id_ in fault.answers if (inbox := self._abandoned.pop(id_, None)) is not None]
        for inbox in late:
            self._resolve(inbox)
        if not awaited and not late:
            self._lose(slip)

    def _lose(self, slip: Slip) -> None:
        """Note an answer that nobody can be given. Whose it was shows once all others that were awaited are there."""
        self._losses.add(slip, [inbox for inbox in self._asked.values() if not inbox.unanswerable])
        self._deduce()

    def _resolve(self, inbox: Inbox) -> None:
        inbox.answered = True
        self._deduce()

    def _deduce(self) -> None:
        while (loss := self._losses.deduce()) is not None:
            inbox, slip = loss
            self._fail(inbox, slip)

    def _fail(self, inbox: Inbox, slip: Slip) -> None:
        if not inbox.answered:
            inbox.answered = True
            inbox.put(slip)
            self._leave(inbox)

    # -- the server's own messages ------------------------------------------------------------------------------------

    def _give(self, message: Request | Notification, room: Room | None) -> None:
        inbox = self._addressee(message)
        if inbox is not None:
            inbox.put(addressed(message, inbox), room)
        elif not self.ended and (isinstance(message, Request) or concerns_session(message)):
            self._held.add(message, room)
        elif room is not None:
            room.release()

    def _redeliver(self) -> None:
        for message, room in self._held.take():
            self._give(message, room)

    def _refuse(self, message: Request | Notification) -> None:
        if isinstance(message, Request):
            log.warning("the command asks %s of nobody; it is told so", visible(message.method))
            self._tell(error(message.id, REFUSED, "No client listens."))

    def _tell(self, body: Mapping[str, Any]) -> None:
        """Write an answer of the guard's own to the command."""
        task = asyncio.get_running_loop().create_task(self._write_refusal(body))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _write_refusal(self, body: Mapping[str, Any]) -> None:
        with contextlib.suppress(UpstreamDown):
            await self.write(body)

    def _addressee(self, message: Request | Notification) -> Inbox | None:
        """The reader of a message, as the table of methods says. A message marked with a subscription goes to that
        subscription alone."""
        addressee = methods.SERVER.get(message.method, methods.UNKNOWN).addressee
        latest = next(
            (inbox for inbox in reversed(self._asked.values()) if not (inbox.internal or inbox.answered)), None
        )
        if addressee is Addressee.LATEST_CALL:
            return latest or self._listener
        token = message.params.get("progressToken") if addressee is Addressee.CALL else None
        meta = message.params.get("_meta")
        subscription = meta.get(SUBSCRIPTION) if isinstance(meta, dict) else None
        if token is not None or subscription is not None:
            return next((inbox for inbox in self._asked.values() if inbox.is_named(token, subscription)), None)
        return self._listener or latest

    # -- the end ------------------------------------------------------------------------------------------------------

    def _over(self) -> None:
        self.ended = True
        for inbox in [*self._asked.values(), *([self._listener] if self._listener else [])]:
            inbox.put(None)
        self._asked.clear()
        forget(self._held.take())
        for call in self._enders:
            call()

    async def end(self) -> None:
        """End the process as MCP has it for stdio: close its input, then SIGTERM, then SIGKILL, with a pause after each."""
        self._ending = True
        if self._child.stdin is not None:
            self._child.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._child.kill(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), GRACE_SECONDS)
                break
        if self.ended:
            # Nothing is left to read but what the command said last.
            await asyncio.wait((self._reader,), timeout=GRACE_SECONDS)
        for task in (self._reader, self._stderr):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


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
        room: Room | None = None,
    ) -> None:
        super().__init__(200, headers, "text/event-stream")
        self._room = room
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
            message, self._room = await self._inbox.next(self._silence)
            yield _event(message)
            if isinstance(message, Answer):
                self._process.settle(self._inbox)
                return

    def close(self) -> None:
        super().close()
        if self._standalone:
            self._process.unlisten(self._inbox)
        else:
            self._closing = asyncio.get_running_loop().create_task(self._process.abandon(self._inbox))


def _message_of(line: bytes) -> Message:
    return classify(parse(line))


def _event(message: Message) -> bytes:
    return Event(dump(message.body).decode(), "message").encode()
