"""What waits at a command that is an MCP server: requests for their answers, and the server's own messages for a reader.

The command's lines are read in `guard.http.stdio_process`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from guard.http.upstream import Slip, UpstreamDown
from wire.jsonrpc import Id, Message, Notification, Request

#: Messages kept for a client that does not read.
MAX_WAITING = 1024
#: Messages of the server kept for a client that has no stream open yet, and the seconds that each is kept.
MAX_HELD = 64
HELD_SECONDS = 30.0
#: Answers that were lost and may be anybody's. Of more than this many at a time nobody could tell whose they were.
MAX_LOSSES = 64


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
        self._queue: asyncio.Queue[Message | Slip | None] = asyncio.Queue()

    def is_named(self, token: Any, subscription: Any) -> bool:
        """Whether this request brought the progress token, or opened the subscription of this id."""
        return (token is not None and self.token == token) or (
            subscription is not None and self.sent_id == subscription
        )

    def put(self, message: Message | Slip | None) -> None:
        """Keep `message` for the client. None says that nothing follows."""
        # The queue of a client that does not read fills up. The client then loses its stream; the process goes on.
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put_nowait(message)
        elif self._queue.qsize() == MAX_WAITING:
            self._queue.put_nowait(None)

    async def next(self, silence: float | None) -> Message:
        """The next message; raises UpstreamDown after `silence` seconds without one, when the process ended, or when the
        answer cannot be used."""
        try:
            message = await asyncio.wait_for(self._queue.get(), silence)
        except TimeoutError:
            raise UpstreamDown("the command says nothing") from None
        if message is None:
            raise UpstreamDown("the command ended")
        if isinstance(message, Slip):
            raise message
        return message

    def unread(self) -> list[Request | Notification]:
        """The server's own messages that the client did not read, taken out."""
        messages = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        return [message for message in messages if isinstance(message, Request | Notification)]


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
        self._messages: deque[tuple[Request | Notification, asyncio.TimerHandle]] = deque()

    def add(self, message: Request | Notification) -> None:
        if len(self._messages) >= MAX_HELD:
            self._refuse(message)
            return
        timer = asyncio.get_running_loop().call_later(HELD_SECONDS, self._expire)
        self._messages.append((message, timer))

    def take(self) -> list[Request | Notification]:
        """All of them, in order; they are held no more."""
        messages = list(self._messages)
        self._messages.clear()
        for _, timer in messages:
            timer.cancel()
        return [message for message, _ in messages]

    def _expire(self) -> None:
        # All are held equally long, so the first is the one whose time is over.
        message, _ = self._messages.popleft()
        self._refuse(message)
