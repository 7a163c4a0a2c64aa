"""What waits at a command that is an MCP server: requests for their answers, and the server's own messages for a reader.

The command's lines are read in `guard.http.stdio_process`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from guard.decide import methods
from guard.http.upstream import Slip, UpstreamDown
from guard.memory import Room
from wire.jsonrpc import Id, Message, Notification, Request

#: Messages kept for a client that does not read.
MAX_WAITING = 1024
#: Messages of the server kept for a client that has no stream open yet, and the seconds that each is kept.
MAX_HELD = 64
HELD_SECONDS = 30.0
#: Answers that were lost and may be anybody's. Of more than this many at a time nobody could tell whose they were.
MAX_LOSSES = 64
#: The member of `_meta` that names the subscription to which a message belongs.
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


#: A message of the server's own, and the memory that a large one takes.
Waiting = tuple[Request | Notification, Room | None]


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
        #: No answer need come: the request opened a subscription, or its client cancelled it.
        self.unanswerable = False
        #: The answer, or an error in its place, is there.
        self.answered = False
        self._queue: asyncio.Queue[tuple[Message | Slip | None, Room | None]] = asyncio.Queue()

    def is_named(self, token: Any, subscription: Any) -> bool:
        """Whether this request brought the progress token, or opened the subscription of this id."""
        return (token is not None and self.token == token) or (
            subscription is not None and self.sent_id == subscription
        )

    def put(self, message: Message | Slip | None, room: Room | None = None) -> None:
        """Keep `message` for the client, with the memory that a large one takes. None says that nothing follows."""
        # The queue of a client that does not read fills up. The client then loses its stream; the process goes on.
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put_nowait((message, room))
            return
        if room is not None:
            room.release()
        if self._queue.qsize() == MAX_WAITING:
            self._queue.put_nowait((None, None))

    async def next(self, silence: float | None) -> tuple[Message, Room | None]:
        """The next message and what it takes; raises UpstreamDown after `silence` seconds without one, when the process
        ended, or when the answer cannot be used."""
        try:
            message, room = await asyncio.wait_for(self._queue.get(), silence)
        except TimeoutError:
            raise UpstreamDown("the command says nothing") from None
        if message is None:
            raise UpstreamDown("the command ended")
        if isinstance(message, Slip):
            raise message
        return message, room

    def unread(self) -> list[Waiting]:
        """The server's own messages that the client did not read, taken out; nothing else is kept."""
        unread: list[Waiting] = []
        while not self._queue.empty():
            message, room = self._queue.get_nowait()
            if isinstance(message, Request | Notification):
                unread.append((message, room))
            elif room is not None:
                room.release()
        return unread


class Losses:
    """Answers that came and can be given to nobody, each with the requests that one of them was for.

    A request is known to be the one once every other that waited then has its own answer.
    """

    def __init__(self) -> None:
        self._losses: deque[tuple[Slip, list[Inbox]]] = deque(maxlen=MAX_LOSSES)

    def add(self, slip: Slip, waiting: Iterable[Inbox]) -> None:
        self._losses.append((slip, list(waiting)))

    def deduce(self) -> tuple[Inbox, Slip] | None:
        """A request that a lost answer was for. Call it until there is none, and whenever a request is answered."""
        for loss in tuple(self._losses):
            slip, waiting = loss
            waiting[:] = [inbox for inbox in waiting if not inbox.answered]
            if len(waiting) <= 1:
                self._losses.remove(loss)
            if len(waiting) == 1:
                return waiting[0], slip
        return None


class Held:
    """The server's messages that came before anybody could read them, in order, for a bounded time.

    `refuse` is called with each that nobody came for: the server must not wait for an answer that cannot come.
    """

    def __init__(self, refuse: Callable[[Request | Notification], None]) -> None:
        self._refuse = refuse
        self._messages: deque[tuple[Waiting, asyncio.TimerHandle]] = deque()

    def add(self, message: Request | Notification, room: Room | None = None) -> None:
        if len(self._messages) >= MAX_HELD:
            self._give_up((message, room))
            return
        timer = asyncio.get_running_loop().call_later(HELD_SECONDS, self._expire)
        self._messages.append(((message, room), timer))

    def take(self) -> list[Waiting]:
        """All of them, in order; they are held no more."""
        messages = list(self._messages)
        self._messages.clear()
        for _, timer in messages:
            timer.cancel()
        return [waiting for waiting, _ in messages]

    def _expire(self) -> None:
        # All are held equally long, so the first is the one whose time is over.
        waiting, _ = self._messages.popleft()
        self._give_up(waiting)

    def _give_up(self, waiting: Waiting) -> None:
        message, room = waiting
        if room is not None:
            room.release()
        self._refuse(message)


def concerns_session(notification: Notification) -> bool:
    """Whether a notification is to the session as a whole, and of use to a client that comes later."""
    row = methods.SERVER.get(notification.method)
    meta = notification.params.get("_meta")
    marked = isinstance(meta, dict) and SUBSCRIPTION in meta
    return row is not None and row.changes_lists and not marked


def forget(unread: Iterable[Waiting]) -> None:
    """Give back what messages take that nobody will read."""
    for _, room in unread:
        if room is not None:
            room.release()


def renamed(body: Mapping[str, Any], inbox: Inbox) -> dict[str, Any]:
    """The answer with the id that the client chose, also where a subscription is marked with it."""
    shown = {**body, "id": inbox.id}
    result = shown.get("result")
    if isinstance(result, dict) and isinstance(result.get("_meta"), dict) and SUBSCRIPTION in result["_meta"]:
        shown["result"] = {**result, "_meta": {**result["_meta"], SUBSCRIPTION: inbox.id}}
    return shown


def addressed(message: Message, inbox: Inbox) -> Message:
    """The message with the subscription's id as the client chose it."""
    if not isinstance(message, Notification) or inbox.sent_id == inbox.id:
        return message
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or SUBSCRIPTION not in meta:
        return message
    params = {**message.params, "_meta": {**meta, SUBSCRIPTION: inbox.id}}
    return Notification(message.method, params, {**message.body, "params": params})
