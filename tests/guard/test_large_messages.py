"""The steps of a large message are taken on a thread, those of a small one at once, and none waits behind a larger one's."""

from __future__ import annotations

import asyncio
import threading

import pytest

from guard.large_messages import AT_ONCE, take_step

#: Bytes of memory of a message that is large, and of one that is beyond most.
MIDDLING, LARGE = AT_ONCE + 1, 1 << 30
PATIENCE = 60.0


async def test_a_step_of_a_small_message_is_taken_at_once() -> None:
    assert await take_step(AT_ONCE, threading.get_ident) == threading.get_ident()


@pytest.mark.parametrize("memory", [MIDDLING, LARGE])
async def test_others_are_served_while_a_step_of_a_large_message_is_taken(memory: int) -> None:
    served = threading.Event()
    step = asyncio.ensure_future(take_step(memory, served.wait, PATIENCE))
    await asyncio.sleep(0)
    served.set()  # on the event loop, on which the step would have waited in vain
    assert await step


async def test_a_message_of_some_size_waits_behind_none_that_is_far_larger() -> None:
    served = threading.Event()
    first = asyncio.ensure_future(take_step(LARGE, served.wait, PATIENCE))
    second = asyncio.ensure_future(take_step(LARGE, served.wait, PATIENCE))
    await take_step(MIDDLING, served.set)
    assert await first
    assert await second


async def test_the_steps_of_large_messages_are_taken_one_after_the_other() -> None:
    taken: list[int] = []
    await asyncio.gather(*(take_step(LARGE, taken.append, number) for number in range(50)))
    assert taken == [*range(50)]


async def test_what_a_step_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await take_step(LARGE, int, "x")


async def test_a_step_that_has_not_begun_is_not_taken_once_its_request_has_ended() -> None:
    served, taken = threading.Event(), threading.Event()
    before = asyncio.ensure_future(take_step(LARGE, served.wait, PATIENCE))
    ended = asyncio.ensure_future(take_step(LARGE, taken.set))
    await asyncio.sleep(0)
    ended.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended
    served.set()
    assert await before
    await take_step(LARGE, int)
    assert not taken.is_set()
