"""What messages may take of the process's memory together, while they are read, decided and passed on.

A message may be 16 MiB, its value many times its bytes, and hundreds of them may be under way. So whatever is larger than
`SMALL` is counted here, for all guards of the process. Where there is no room the reader waits, and the sender with it. Only
half of the room is for all; the other half is lent to one request at a time, the one that began first of those that find no
room, so one of them always goes on. A principal, and a server that is not alone in the process, have a share of the first
half; one request of a share may go beyond it where there is room.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from guard.large_messages import take_step
from model.json import without_strings

#: Bytes of a message that need no room: nearly all have fewer, and cost nothing here.
SMALL = 16 * 1024
#: Seconds that a reader waits for room. Most clients wait less for an answer, so few are refused who would have had one.
PATIENCE = 120.0
#: The parts of a principal, and of a server beside others, in what is for all: a quarter and a half.
_PARTS = (4, 2)
#: Bytes that a byte of a message takes until it is passed on: the value, the text for the engines, what is written anew. A
#: text with one character beyond the first plane takes four bytes for each, one beyond Latin-1 two.
_EACH, _EACH_BROAD, _EACH_WIDE = 6, 9, 20
#: Bytes that each of these marks takes besides: lists, objects, items and members, with their places for the engines; and a
#: string that is no member's name.
_MARKS = {b"[": 100, b"{": 150, b",": 60, b":": 180}
_TEXT = 220
_WIDE = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4", b"\\ud", b"\\uD")


class MemoryUsedUp(Exception):
    """There is no room for a message. `ever` says whether there may be later; the text holds no payload."""

    def __init__(self, *, ever: bool) -> None:
        super().__init__("there is no room for it at the moment" if ever else "it takes more memory than one may take")
        self.ever = ever


def weight(body: bytes, *, exact: bool = False) -> int:
    """Bytes of memory that a JSON text takes at most from now until it is passed on, as measured: about six for each of
    prose, over fifty for each of nothing but objects. `exact` leaves out the marks in strings, which takes longer."""
    each = _EACH
    if not body.isascii() or b"\\u" in body:
        each = _EACH_WIDE if any(mark in body for mark in _WIDE) else _EACH_BROAD
    texts, marked = body.count(b'"') // 2, body
    if exact:
        marked, strings = without_strings(body)
        texts = strings - marked.count(b":")
    return each * len(body) + _TEXT * texts + sum(cost * marked.count(mark) for mark, cost in _MARKS.items())


class _Share:
    """What some rooms have taken together, but for one that need not fit: `beyond`."""

    __slots__ = ("beyond", "rooms", "used")

    def __init__(self) -> None:
        self.used = 0
        self.rooms: set[int] = set()
        self.beyond: Room | None = None

    def has(self, room: Room, size: int, most: int) -> bool:
        """Whether so much more fits, or may be the one that need not."""
        return self.beyond is room or self.used + size <= most or self.beyond is None

    def add(self, room: Room, size: int, most: int) -> None:
        """Count what was found to fit, or was given back."""
        self.rooms.add(room.number)
        after = room.size + size
        if self.beyond is room:
            if size < 0 and self.used + after <= most:
                self.beyond, self.used = None, self.used + after
        elif size > 0 and self.beyond is None and self.used + size > most:
            self.beyond, self.used = room, self.used - room.size
        else:
            self.used += size

    def leave(self, room: Room) -> None:
        """Count a room no more, in which nothing is left."""
        self.rooms.discard(room.number)
        if self.beyond is room:
            self.beyond = None


class MessageMemory:
    """The room of one process: `most` bytes. Use it inside one event loop.

    Args:
        several: whether guards of several servers use it, so that each has a share.
        patience: seconds that a reader waits.
    """

    def __init__(self, most: int, *, several: bool = False, patience: float = PATIENCE) -> None:
        self.most = most
        self.patience = patience
        self._several = several
        self._for_all = most // 2
        self._all = _Share()
        self._shares: dict[str, _Share] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[Room, int, asyncio.Future[None]]] = {}

    @property
    def used(self) -> int:
        """Bytes that are taken."""
        beyond = self._all.beyond
        return self._all.used + (0 if beyond is None else beyond.size)

    def room(self, principal: str, server: str = "") -> Room:
        """The room of one request of a principal, in which nothing is yet; `release` it in any case."""
        return Room(self, principal, server if self._several else None)

    def has(self, room: Room, size: int) -> bool:
        """Whether `size` bytes more could be taken now."""
        if room.size + size > self.most - self._for_all or not self._all.has(room, size, self._for_all):
            return False
        if self._all.beyond is room:
            return True  # who has what is lent to one must never wait for others, which may wait for it
        shares = [(self._shares.get(key), part) for key, part in zip(room.keys, _PARTS, strict=False)]
        return all(share is None or share.has(room, size, self._for_all // part) for share, part in shares)

    async def take(self, room: Room, size: int) -> None:
        """Take `size` bytes more, after a wait where there is no room. Raises MemoryUsedUp."""
        if room.size + size > self.most - self._for_all:
            raise MemoryUsedUp(ever=False)
        if not room.number:
            room.number = next(self._numbers)
        if self.has(room, size):
            self._add(room, size)
            return
        self._add(room, 0)
        await self._wait(room, size)

    async def _wait(self, room: Room, size: int) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting[room.number] = room, size, future
        try:
            async with asyncio.timeout(self.patience):
                await future
        except BaseException as problem:
            del self._waiting[room.number]
            # It may have been given at the same moment.
            self.give_back(room, size if future.done() and not future.cancelled() else 0)
            if isinstance(problem, TimeoutError):
                raise MemoryUsedUp(ever=True) from None
            raise
        del self._waiting[room.number]

    def give_back(self, room: Room, size: int) -> None:
        """Take `size` bytes less; whoever waits for them goes on."""
        self._add(room, -size)
        if not room.size and room.number not in self._waiting:
            self._leave(room)
        for number in sorted(self._waiting):
            waiting, needed, future = self._waiting[number]
            if not future.done() and self.has(waiting, needed):
                self._add(waiting, needed)
                future.set_result(None)

    def hand(self, giver: Room, taker: Room) -> None:
        """Give all that one room has taken to another, which then stands where that one stood: nobody need wait for it."""
        size, number = giver.size, giver.number
        if not size:
            return
        self._add(giver, -size)
        self._leave(giver)
        if taker.number:
            number = min(number, taker.number)
            before = taker.size
            self._add(taker, -before)
            self._leave(taker)
            size += before
        taker.number = number
        self._add(taker, size)

    def _add(self, room: Room, size: int) -> None:
        for share, most in self._shares_of(room):
            share.add(room, size, most)
        room.size += size

    def _leave(self, room: Room) -> None:
        for share, _ in self._shares_of(room):
            share.leave(room)
        for key in room.keys:
            if not self._shares[key].rooms:
                del self._shares[key]
        room.number = 0

    def _shares_of(self, room: Room) -> list[tuple[_Share, int]]:
        parts = zip(room.keys, _PARTS, strict=False)
        shares = [(self._shares.setdefault(key, _Share()), self._for_all // part) for key, part in parts]
        return [(self._all, self._for_all), *shares]


class Room:
    """What one request, or one line of a command, has taken; `number` says when it began, 0 that it has nothing."""

    __slots__ = ("_principal", "_server", "memory", "number", "size")

    def __init__(self, memory: MessageMemory, principal: str, server: str | None) -> None:
        self.memory = memory
        self._principal = principal
        self._server = server
        self.number = 0
        self.size = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """Whose shares it is of."""
        principal = f"principal {self._principal}"
        return (principal,) if self._server is None else (principal, f"server {self._server}")

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def held(self) -> HeldMessage:
        """What one message of the request takes; nothing yet."""
        return HeldMessage(self, self.memory)

    def release(self) -> None:
        """Give everything back, as the request is over."""
        if self.size:
            self.memory.give_back(self, self.size)


class HeldMessage:
    """What one message takes of its request's room. Nothing here need be called for a message of `SMALL` bytes or fewer."""

    __slots__ = ("_memory", "_room", "size")

    def __init__(self, room: Room, memory: MessageMemory) -> None:
        self._room = room
        self._memory = memory
        self.size = 0

    async def arriving(self, size: int) -> None:
        """So many bytes of it are there; they will be put together once. Raises MemoryUsedUp, after a wait."""
        await self._reach(2 * size)

    async def complete(self, body: bytes) -> None:
        """All of it is there, and is to be read as JSON. Raises MemoryUsedUp, after a wait."""
        least = _EACH * len(body)
        size = await take_step(least, weight, body)
        if not self._memory.has(self._room, size - self.size):
            size = await take_step(least, weight, body, exact=True)
        await self._reach(size)

    async def _reach(self, size: int) -> None:
        if size > self.size:
            await self._memory.take(self._room, size - self.size)
            self.size = size

    def adopt(self, giver: Room) -> None:
        """Go on with what was taken for this message where it came from."""
        if giver.memory is not self._memory:
            giver.release()
            return
        self.size += giver.size
        self._memory.hand(giver, self._room)

    def drop(self) -> None:
        """It was passed on."""
        if self.size:
            self._memory.give_back(self._room, self.size)
            self.size = 0


#: Makes the room of a principal's next request at one server; the guard's own requests are of the empty one.
Rooms = Callable[[str], Room]
#: For who reads no caller's requests: a rehearsal.
UNBOUNDED = MessageMemory(1 << 62)


def unbounded(principal: str) -> Room:
    """A room in memory of its own, for a command that looks at one server; threads may do so at once."""
    return MessageMemory(UNBOUNDED.most).room(principal)
