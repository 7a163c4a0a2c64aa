"""What messages take of a process's memory is bounded in sum, each has its turn, and no caller has all of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from guard.host_memory import UNKNOWN, message_memory, usable_memory
from guard.inspect.content import content_of
from guard.memory import MemoryUsedUp, MessageMemory, Room, weight
from tests.support.waiting import eventually
from wire.json import dump, parse

#: Half of it is for all; a principal's share is a quarter of that half.
MOST = 8000
ADA, BEN, CYD, DAN, EVE, FAY = "ada", "ben", "cyd", "dan", "eve", "fay"


async def taken(memory: MessageMemory, principal: str, size: int, server: str = "") -> Room:
    room = memory.room(principal, server)
    await memory.take(room, size)
    return room


async def waiting(memory: MessageMemory, principal: str, size: int) -> tuple[Room, asyncio.Task[None]]:
    """A reader that waits for room."""
    return await waiting_for(memory, memory.room(principal), size)


async def waiting_for(memory: MessageMemory, room: Room, size: int) -> tuple[Room, asyncio.Task[None]]:
    task = asyncio.get_running_loop().create_task(memory.take(room, size))
    await asyncio.sleep(0)
    assert room.number
    assert not task.done()
    return room, task


async def test_what_fits_is_taken_at_once_and_given_back() -> None:
    memory = MessageMemory(MOST)
    rooms = [await taken(memory, name, 1000) for name in (ADA, BEN, CYD, DAN)]
    assert memory.used == 4000
    for room in rooms:
        room.release()
    assert memory.used == 0


async def full(memory: MessageMemory) -> list[Room]:
    """All of it taken: what is for all, and as much as is lent to one."""
    return [*[await taken(memory, name, 1000) for name in (ADA, BEN, CYD, DAN)], await taken(memory, FAY, 500)]


async def test_a_reader_waits_until_there_is_room() -> None:
    memory = MessageMemory(MOST)
    rooms = await full(memory)
    room, task = await waiting(memory, EVE, 500)
    rooms[2].release()
    await task
    assert (room.size, memory.used) == (500, 4000)


async def test_of_those_that_find_no_room_one_always_goes_on_and_then_the_first_of_the_others() -> None:
    """Each holds a part and wants more than there is: all of them would wait for ever."""
    memory = MessageMemory(MOST)
    names = [ADA, BEN, CYD, DAN]
    rooms = [await taken(memory, name, 1000) for name in names]
    ended: list[str] = []

    async def reader(name: str, room: Room) -> None:
        await memory.take(room, 3000)
        assert memory.used <= MOST
        await asyncio.sleep(0)
        ended.append(name)
        room.release()

    await asyncio.gather(*(reader(name, room) for name, room in reversed([*zip(names, rooms, strict=True)])))
    assert ended == [DAN, ADA, BEN, CYD]
    assert memory.used == 0


async def test_who_holds_much_and_waits_for_something_else_keeps_nobody_out() -> None:
    """The rooms here are of requests whose server is slow. They were first, and ask for nothing more."""
    memory = MessageMemory(MOST)
    for name in (ADA, BEN, CYD, DAN):
        await taken(memory, name, 1000)
    for _ in range(3):
        (await taken(memory, EVE, 4000)).release()


async def test_what_was_lent_is_free_again_once_the_rest_fits() -> None:
    """A stream may go on for hours after one large event."""
    memory = MessageMemory(MOST)
    rooms = [await taken(memory, name, 1000) for name in (ADA, BEN, CYD)]
    stream = await taken(memory, DAN, 100)
    await memory.take(stream, 3000)
    memory.give_back(stream, 3000)
    assert memory.used == 3100
    (await taken(memory, EVE, 4000)).release()
    for room in (*rooms, stream):
        room.release()
    assert memory.used == 0


async def test_what_is_lent_to_one_never_waits_for_its_principals_share() -> None:
    memory = MessageMemory(MOST)
    others = [await taken(memory, name, 1000) for name in (BEN, CYD, DAN, FAY)]
    lent = await taken(memory, ADA, 800)
    beyond, task = await waiting(memory, ADA, 300)
    others[0].release()
    await task  # it need not fit the principal's share, and now it waits for what is lent
    _, task = await waiting_for(memory, beyond, 3000)
    await memory.take(lent, 500)
    lent.release()
    await task


async def test_many_readers_of_much_all_end_within_the_bound() -> None:
    memory, ended = MessageMemory(MOST), 0

    async def reader(number: int) -> None:
        nonlocal ended
        with memory.room(f"principal {number % 7}") as room:
            for _ in range(8):
                await memory.take(room, 450)
                assert memory.used <= MOST
                await asyncio.sleep(0)
        ended += 1

    await asyncio.gather(*(reader(number) for number in range(200)))
    assert (ended, memory.used) == (200, 0)


async def test_a_principal_that_has_its_share_leaves_the_others_theirs() -> None:
    memory = MessageMemory(MOST)
    first = await taken(memory, ADA, 900)
    await taken(memory, ADA, 200)  # the one that need not fit
    _, task = await waiting(memory, ADA, 500)
    for name in (BEN, CYD, DAN):
        await taken(memory, name, 900)
    assert not task.done()
    first.release()
    await task


async def test_one_request_of_a_principal_may_go_beyond_its_share_where_there_is_room() -> None:
    memory = MessageMemory(MOST)
    await taken(memory, BEN, 100)
    room = await taken(memory, ADA, 2000)
    assert room.size == 2000
    await taken(memory, ADA, 1000)
    await waiting(memory, ADA, 100)


async def test_a_server_beside_others_has_a_share_too() -> None:
    memory = MessageMemory(MOST, several=True)
    for name in (ADA, BEN, CYD, DAN):
        await taken(memory, name, 500, server="dev.one")
    await taken(memory, EVE, 100, server="dev.one")  # the one that need not fit
    one = memory.room(EVE, "dev.one")
    task = asyncio.get_running_loop().create_task(memory.take(one, 500))
    await eventually(lambda: one.number, "it asked")
    await taken(memory, EVE, 500, server="dev.two")
    assert not task.done()
    task.cancel()


async def test_who_waited_too_long_is_refused_and_the_others_go_on() -> None:
    memory = MessageMemory(MOST, patience=0.05)
    rooms = await full(memory)
    late = memory.room(EVE)
    with pytest.raises(MemoryUsedUp) as refused:
        await memory.take(late, 500)
    assert refused.value.ever
    assert (late.size, late.number, memory.used) == (0, 0, 4500)
    await memory.take(rooms[-1], 3000)


async def test_what_could_never_fit_is_refused_at_once() -> None:
    memory = MessageMemory(MOST)
    with pytest.raises(MemoryUsedUp) as refused:
        await taken(memory, ADA, 4001)
    assert not refused.value.ever


async def test_whoever_ends_while_it_waits_takes_nothing() -> None:
    memory = MessageMemory(MOST)
    rooms = await full(memory)
    _, task = await waiting(memory, EVE, 500)
    rooms[0].release()  # given, and cancelled before it went on
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert memory.used == 3500


async def test_what_is_handed_on_keeps_its_turn() -> None:
    memory = MessageMemory(MOST)
    line = await taken(memory, ADA, 1000)
    number = line.number
    rooms = [await taken(memory, name, 1000) for name in (BEN, CYD, DAN)]
    await memory.take(rooms[0], 100)  # what is lent to one
    with memory.room(EVE) as request:
        held = request.held()
        held.adopt(line)
        assert (line.size, request.size, request.number, memory.used) == (0, 1000, number, 4100)
        task = asyncio.get_running_loop().create_task(held.complete(b" " * 400))
        _, later = await waiting(memory, FAY, 2500)
        rooms[0].release()
        await task
        assert (request.size, later.done()) == (2400, False)
        later.cancel()
    assert memory.used == 2000


async def test_a_message_takes_room_as_it_arrives_and_none_once_it_was_passed_on() -> None:
    memory = MessageMemory(MOST)
    with memory.room(ADA) as room:
        held = room.held()
        await held.arriving(100)
        assert memory.used == 200
        await held.complete(b'"' + b"x" * 98 + b'"')
        assert memory.used == 600 + 220
        held.drop()
        assert memory.used == 0


async def test_marks_in_strings_keep_no_message_out() -> None:
    text = b'["' + b"{,:" * 1000 + b'"]'
    assert weight(text, exact=True) < 7 * len(text) < weight(text)
    memory = MessageMemory(2 * 7 * len(text))
    with memory.room(ADA) as room:
        await room.held().complete(text)


RECORDS = b",".join(b'{"id":%d,"mail":"u%d@example.com","ok":true}' % (one, one) for one in range(8000))
SHAPES = {
    "prose": b'"' + b"some words, and more of them. " * 10_000 + b'"',
    "wide prose": b'"' + "😀".encode() + b"some words and more of them. " * 10_000 + b'"',
    "broad prose": b'"' + "€".encode() + b"some words and more of them. " * 10_000 + b'"',
    "escaped wide prose": b'"\\ud83d\\ude00' + b"some words and more of them. " * 10_000 + b'"',
    "records": b"[" + RECORDS + b"]",
    "records as a person writes them": b"[" + RECORDS.replace(b":", b": ") + b"]",
    "objects": b"[" + b",".join([b'{"a":{}}'] * 40_000) + b"]",
    "objects of one": b"[" + b",".join([b'{"a":1}'] * 40_000) + b"]",
    "empty objects": b"[" + b",".join([b"{}"] * 100_000) + b"]",
    "empty lists": b"[" + b",".join([b"[]"] * 100_000) + b"]",
    "nested lists": b"[" + b",".join([b"[" * 50 + b"]" * 50] * 3000) + b"]",
    "numbers": b"[" + b",".join([b"123456.75"] * 40_000) + b"]",
    "words": b"[" + b",".join([b'"ab"'] * 60_000) + b"]",
    "wide words": b"[" + b",".join(['"é😀"'.encode()] * 40_000) + b"]",
    "lists of a word": b"[" + b",".join([b'["x y"]'] * 40_000) + b"]",
    "members": b"{" + b",".join(b'"k%d":1' % one for one in range(30_000)) + b"}",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_weight_of_a_message_is_at_least_what_it_takes(shape: str) -> None:
    """As a value that is taken apart for the engines. What a reader asks for while it reads it never writes to."""
    body = SHAPES[shape]
    tracemalloc.start()
    try:
        value = parse(body)
        tracemalloc.reset_peak()
        content = content_of(value)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert content.unreadable is None
    assert peak + len(body) + len(dump(value)) <= weight(body, exact=True) <= weight(body)


# -- how much there is ----------------------------------------------------------------------------------------------------


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal:        4194304 kB\nMemFree: 1 kB\n"}
GROUP = "sys/fs/cgroup/system.slice/guard.service/memory.max"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, UNKNOWN),
        (MACHINE, 4 << 30),
        (MACHINE | {"proc/self/cgroup": "0::/system.slice/guard.service\n", GROUP: "536870912\n"}, 512 << 20),
        (MACHINE | {"proc/self/cgroup": "0::/system.slice/guard.service\n", GROUP: "max\n"}, 4 << 30),
        (
            MACHINE
            | {"proc/self/cgroup": "0::/system.slice/guard.service\n", GROUP: "max\n"}
            | {"sys/fs/cgroup/system.slice/memory.max": "1073741824\n"},
            1 << 30,
        ),
        (MACHINE | {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 << 20),
        (
            MACHINE
            | {
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/ab\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
            },
            256 << 20,
        ),
    ],
)
def test_a_process_may_use_what_its_machine_and_its_groups_have(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    assert usable_memory(system(tmp_path, files)) == expected


def test_messages_may_take_half_of_it_or_what_the_operator_says() -> None:
    assert message_memory().most == usable_memory() // 2
    assert message_memory(300, parts=3).most == 100 << 20
