"""The line between a worker and the hub: either end asks, the other answers; what is not answered in time counts as refused.

A frame is the length of a JSON text in four bytes, then the text. It asks by `[number, question, value]`, with the number 0
where no answer is awaited, and answers by `[-number, value]`, or `[-number, null, problem]` where there is no answer. Both
ends are forks of one program and run as one user, so the line is private; it is bounded all the same, as neither may grow by
what the other fails to read.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import orjson

log = logging.getLogger("ringwall.guard")

#: Seconds that an answer may take, where the question does not say.
ASK_SECONDS = 2.0
#: Bytes of a frame: a bundle of 16 MiB, each of its characters escaped.
MOST_FRAME = 64 * 1024 * 1024
#: Bytes that wait to be read by the other end, beyond a frame; with more, nothing further is asked.
MOST_UNREAD = 8 * 1024 * 1024
_HEAD = 4


class ChannelSilent(Exception):
    """The other end is gone, did not answer in time, or could not answer."""


#: What answers a question: its word and its value, to the value of the answer.
Answering = Callable[[str, Any], Any | Awaitable[Any]]


class Channel(asyncio.Protocol):
    """One end of the line. `answering` is called in order of arrival; what it returns to be awaited may take its time."""

    def __init__(self, answering: Answering, lost: Callable[[], None]) -> None:
        self._answering = answering
        self._lost = lost
        self._transport: Any = None
        self._buffer = bytearray()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, question: str, value: Any = None, *, within: float = ASK_SECONDS) -> Any:
        """The other end's answer. Raises ChannelSilent."""
        number = next(self._numbers)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._send([number, question, value])
        self._waiting[number] = future
        timer = self._loop.call_later(within, _expire, future, question)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(number, None)

    def tell(self, question: str, value: Any = None) -> None:
        """Send what needs no answer; nothing happens where the line is closed."""
        self._write([0, question, value])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _send(self, frame: list[Any]) -> None:
        if not self._write(frame):
            raise ChannelSilent("the line is closed")

    def _write(self, frame: list[Any]) -> bool:
        """Write a frame. False where the line is closed, as it is once the other end does not read."""
        if not self.is_open:
            return False
        text = orjson.dumps(frame)
        if len(text) > MOST_FRAME or self._transport.get_write_buffer_size() > MOST_UNREAD:
            self._transport.abort()
            return False
        self._transport.write(len(text).to_bytes(_HEAD, "big") + text)
        return True

    # -- the transport ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        begin = 0
        while len(self._buffer) - begin >= _HEAD:
            size = int.from_bytes(self._buffer[begin : begin + _HEAD], "big")
            if size > MOST_FRAME:
                self._transport.abort()
                return
            end = begin + _HEAD + size
            if len(self._buffer) < end:
                break
            self._take(orjson.loads(self._buffer[begin + _HEAD : end]))
            begin = end
        del self._buffer[:begin]

    def connection_lost(self, exc: Exception | None) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChannelSilent("the line was closed"))
        for task in self._tasks:
            task.cancel()
        self._lost()

    def _take(self, frame: list[Any]) -> None:
        number = frame[0]
        if number < 0:
            future = self._waiting.get(-number)
            if future is not None and not future.done():
                if len(frame) > 2:
                    future.set_exception(ChannelSilent(frame[2]))
                else:
                    future.set_result(frame[1])
            return
        question = frame[1]
        try:
            value = self._answering(question, frame[2])
        except Exception as error:  # of any kind: whoever asked is told, and refuses
            self._fail(number, question, error)
            return
        if isawaitable(value):
            task = self._loop.create_task(self._later(number, question, value))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif number:
            self._write([-number, value])

    async def _later(self, number: int, question: str, awaited: Awaitable[Any]) -> None:
        try:
            value = await awaited
        except Exception as error:  # as above
            self._fail(number, question, error)
        else:
            if number:
                self._write([-number, value])

    def _fail(self, number: int, question: str, error: Exception) -> None:
        if not isinstance(error, ChannelSilent):
            log.error("a question of another process of this guard (%s) failed", question, exc_info=error)
        if number:
            self._write([-number, None, f"{type(error).__name__}: {error}"])


def _expire(future: asyncio.Future[Any], question: str) -> None:
    if not future.done():
        future.set_exception(ChannelSilent(f"no answer in time to {question}"))
