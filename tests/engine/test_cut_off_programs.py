"""What the interpreter says about a program that the engine cut off in the middle."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The SDK's coroutines are nested; which of them is collected first depends on the moment, so each is dropped by itself.
CUT_OFF = """
import asyncio
from engine.runs import _quiet_sdk
from pulumi.runtime import stack

class Answer:
    def __await__(self):
        yield

async def mine():
    try:
        await Answer()
    finally:
        asyncio.get_running_loop()

async def supported():
    pass

stack._load_monitor_feature_support = supported
_quiet_sdk()
asyncio.set_event_loop(asyncio.new_event_loop())  # from Python 3.14 on there is none by itself
coroutine = {coroutine}
coroutine.send(None)
del coroutine
print("ended")
"""


def said(coroutine: str) -> str:
    program = CUT_OFF.format(coroutine=coroutine)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=200)
    assert ended.stdout == "ended\n"
    return ended.stderr


@pytest.mark.parametrize("coroutine", ["stack.run_pulumi_func(mine)", "stack.run_in_stack(mine)"])
def test_a_program_that_was_cut_off_leaves_no_trace(coroutine: str) -> None:
    assert said(coroutine) == ""


def test_another_coroutines_failure_is_still_shown() -> None:
    assert "no running event loop" in said("mine()")


# What the SDK's outputs are called, of which an interrupt leaves some that never began.
MADE_READY = """
from engine.runs import _quiet_sdk

class {name}:
    def apply(self):
        async def run():
            pass
        return run()

_quiet_sdk()
{name}().apply()
"""


@pytest.mark.parametrize(("name", "is_quiet"), [("Output", True), ("Mine", False)])
def test_what_the_sdk_had_made_ready_leaves_no_trace(name: str, is_quiet: bool) -> None:
    program = [sys.executable, "-c", MADE_READY.format(name=name)]
    ended = subprocess.run(program, capture_output=True, text=True, check=True, timeout=200)
    assert ("was never awaited" not in ended.stderr) is is_quiet
