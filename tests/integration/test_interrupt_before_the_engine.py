"""Ctrl-C while a run is still being prepared: no engine is there to hear it, so none may begin."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.progress import SilentProgress
from engine.run import Run
from engine.runs import execute, execute_all, program_for
from tests.support.engine_project import EngineProject
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.engine
STOPPED = "interrupted before the engine began: nothing of dev was changed"


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def note(self, text: str) -> None:
        if text.startswith("interrupted:"):
            self.interrupted.set()


def test_no_engine_begins_after_ctrl_c(engine_project: EngineProject) -> None:
    progress = Heard()
    target = replace(engine_project.target, progress=progress)
    run = Run("dev", "up")

    def pressed(stack: str) -> Callable[[], None]:
        """The program, once the main thread has heard of Ctrl-C."""
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        assert progress.interrupted.wait(200)
        return program_for(target.project, stack)

    with pytest.raises(KeyboardInterrupt):
        execute_all(target, [run], program_of=pressed)
    # An interrupt in the very moment in which the pool starts its thread leaves that thread to itself.
    eventually_sync(lambda: run.ended, "the end of the run", within=200)
    assert (run.state, run.error) == ("failed", STOPPED)
    assert engine_project.sandbox.resources("*") == []


def test_an_engine_that_began_in_that_moment_declares_nothing(engine_project: EngineProject) -> None:
    """Between the last look and the engine's own signal handler a signal still gets lost; then its program refuses."""
    stop = threading.Event()

    class Late(threading.Event):
        """Not set yet at the first look."""

        def is_set(self) -> bool:
            was_set = stop.is_set()
            stop.set()
            return was_set

    run = execute(engine_project.target, Run("dev", "up"), stop=Late())
    assert run.state == "failed"
    assert STOPPED in str(run.error)
    assert engine_project.sandbox.resources("*") == []
