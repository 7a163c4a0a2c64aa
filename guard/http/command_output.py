"""What a command writes: its lines of messages, each bounded, and the last lines of its stderr, for the operator alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator

from guard.http.upstream import AnswerTooLarge, AnswerWithoutRoom, Slip
from guard.memory import SMALL, MemoryUsedUp, Room
from model.masking import SECRET, masked
from model.text import visible

#: Lines of stderr that are kept, and characters of each.
MAX_LINES = 20
MAX_CHARACTERS = 400
#: A value of the command's environment that is shorter is no secret that could be recognised.
_SHORTEST_SECRET = 6


class Lines:
    """Splits what arrives in chunks into lines. A line of more than `limit` bytes is given as None and never kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def pending(self) -> int:
        """Bytes of the line that has begun."""
        return self._size

    def skip(self) -> None:
        """Keep nothing of the line that has begun, as of one that is too long."""
        self._pieces, self._size = [], self._limit + 1

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """The lines that end in `chunk`, without their ends."""
        *parts, begun = chunk.split(b"\n")
        for part in parts:
            self._add(part)
            yield self.flush()
        self._add(begun)

    def flush(self) -> bytes | None:
        """The line that has begun, which is thereby over."""
        line = None if self._size > self._limit else b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return line

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            self._pieces.clear()
        else:
            self._pieces.append(part)


class HeldLines:
    """The lines of a command, each with the memory that was taken for it: none for a small one. What is no line that may be
    passed on is a Slip in its place."""

    def __init__(self, limit: int, rooms: Callable[[], Room]) -> None:
        self._lines = Lines(limit)
        self._limit = limit
        self._rooms = rooms
        self._begin()

    def _begin(self) -> None:
        self._room = self._rooms()
        self._held = self._room.held()
        self._problem: Slip | None = None

    async def feed(self, chunk: bytes) -> AsyncIterator[tuple[bytes | Slip, Room | None]]:
        """The lines that end in `chunk`. What they take is whoever's they are given to."""
        for line in self._lines.feed(chunk):
            yield await self._next_line(line)
        if self._lines.pending > SMALL and self._problem is None:
            try:
                await self._held.arriving(self._lines.pending)
            except MemoryUsedUp as problem:
                self._problem = AnswerWithoutRoom(str(problem))
        if self._problem is not None:
            self._room.release()
            self._lines.skip()

    async def end(self) -> AsyncIterator[tuple[bytes | Slip, Room | None]]:
        """The line that has begun, which is thereby over."""
        yield await self._next_line(self._lines.flush())

    async def _next_line(self, line: bytes | None) -> tuple[bytes | Slip, Room | None]:
        if line is not None and len(line) <= SMALL:
            return line, None
        if line is not None:
            try:
                await self._held.complete(line)
            except MemoryUsedUp as problem:
                line, self._problem = None, AnswerWithoutRoom(str(problem))
        room, fault = self._room, self._problem
        self._begin()
        if line is not None:
            return line, room
        room.release()
        return fault or AnswerTooLarge(f"it is over {self._limit} bytes"), None

    def close(self) -> None:
        """Give back what the line takes that has begun."""
        self._room.release()


class LastWords:
    """The last lines that a command wrote to stderr. `secrets` are values that it was given and that are never shown."""

    def __init__(self, stderr: asyncio.StreamReader, secrets: Collection[str]) -> None:
        self._stderr = stderr
        parts = {part for value in secrets for part in value.splitlines() if len(part) >= _SHORTEST_SECRET}
        self._secrets = sorted(parts, key=len, reverse=True)
        self._lines: deque[str] = deque(maxlen=MAX_LINES)

    async def read(self) -> None:
        """Read to the end, as a command stops where its stderr is full and nobody reads it."""
        lines = Lines(MAX_CHARACTERS * 16)
        while chunk := await self._stderr.read(2**16):
            for line in lines.feed(chunk):
                self._keep(line)
        self._keep(lines.flush())

    def take(self) -> list[str]:
        """The lines since the last call, without secrets and hidden characters."""
        lines = [self._shown(line) for line in self._lines]
        self._lines.clear()
        return lines

    def _keep(self, line: bytes | None) -> None:
        text = "(a line that is too long)" if line is None else line.decode("utf-8", "replace").strip()
        if text:
            self._lines.append(text)

    def _shown(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, SECRET)
        cleaned = str(masked(line))
        text = cleaned if cleaned != line else " ".join(str(masked(word)) for word in line.split())
        text = visible(text)
        return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
