"""Executing runs of the real engine: one stack, or several side by side.

The order of an environment and its servers is in `engine.deploy`.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from engine.causes import cause
from engine.events import Steps
from engine.holder import on_file
from engine.locked import with_lock
from engine.plugins import refuse_unattached
from engine.progress import Note
from engine.repair.conflicts import explained
from engine.run import Run
from engine.state_folder import refuse_unwritable
from engine.termination import interrupt_engines
from engine.workspace import Target, workspace
from model import effects
from model.errors import EngineFailed, NoSuchStack, RingwallError
from model.project import Project
from model.stacks import Stack

#: More gains nothing on two cores.
PARALLEL = 4
#: MiB that an engine may need: about 108 itself (measured), and the processes of its two provider plugins.
ENGINE_MEMORY = 400
#: Operations of one engine at the same time: `PARALLEL` times as many calls reach Kong's Admin API at once. The engine's own
#: default grows with the machine's cores (pulumi, pkg/cmd: four for each), the gateway does not.
RESOURCES_AT_ONCE = 8
#: How often a run begins again after an API took no more calls.
_REFUSALS = 3
#: How the providers word that refusal (cloudflare-go: the status line; Cloudflare's error 971 and 10100).
_REFUSED = re.compile(r"\b429 Too Many Requests\b|More than \d+ requests per \d+ seconds|throttling your request speed")
_CHANGING = ("up", "destroy", "refresh")


def program_for(
    project: Project, stack: str, loaded: Stack | None = None, contract: Mapping[str, Any] | None = None
) -> Callable[[], None]:
    """The program the engine runs inline: the very one `stacks/__main__.py` runs.

    Given `loaded` and `contract` it reads and plans nothing anew that all stacks of an environment share: with many of
    them that is most of the work.
    """

    def program() -> None:
        from plan.program import run_or_refuse

        run_or_refuse(project, stack, loaded, contract)

    return program


def execute(
    target: Target,
    run: Run,
    *,
    exclude: Sequence[str] = (),
    only: Sequence[str] = (),
    program: Callable[[], None] | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> Run:
    """Run one operation on one stack and record what the engine reports; a failure is in `run.error`, never raised.

    Where an API takes no more calls (429) it waits and runs again: nothing was made by what was refused. Once `stop` is set
    no engine begins.
    """
    if not target.debug:
        _quiet_sdk()
    budget = target.budget
    if budget is not None and not budget.admit(run.stack, run.calls.cloudflare):
        return run
    if run.operation in _CHANGING:
        effects.record(lambda: outcome(target, run))
    for _ in range(_REFUSALS):
        _attempt(target, run, exclude=exclude, only=only, program=program, stop=stop, **options)
        if budget is None or not (run.error and _REFUSED.search(run.error)) or not budget.pause(run.stack):
            return run
        run.steps, run.error, run.ended = Steps(), None, None
    _attempt(target, run, exclude=exclude, only=only, program=program, stop=stop, **options)
    return run


def _attempt(
    target: Target,
    run: Run,
    *,
    exclude: Sequence[str],
    only: Sequence[str],
    program: Callable[[], None] | None,
    stop: threading.Event | None,
    **options: Any,
) -> None:
    from pulumi.automation.errors import CommandError

    declare = program or program_for(target.project, run.stack)

    def go_on() -> None:
        """A signal that comes before the engine is there reaches nobody but this process."""
        if stop is not None and stop.is_set():
            raise EngineFailed(f"interrupted before the engine began: nothing of {run.stack} was changed")

    def declare_unless_stopped() -> None:
        go_on()
        declare()

    run.state, run.began = "running", time.monotonic()
    create = run.operation in ("preview", "up")
    run.steps.refreshes_first = run.refresh
    try:
        if run.operation in _CHANGING:
            refuse_unwritable(target, run.stack)
        refuse_unattached({**os.environ, **target.environment})
        with workspace(
            target,
            run.stack,
            declare_unless_stopped,
            create=create,
            file_needed=run.operation != "destroy",
            results=False,
        ) as stack:
            arguments: dict[str, Any] = {
                "on_event": run.steps.on_event,
                "color": "never",
                "parallel": RESOURCES_AT_ONCE,
                **options,
            }
            if run.refresh:
                arguments["refresh"] = True
            if only:
                arguments["target"] = list(only)
            if exclude:
                arguments["exclude"] = list(exclude)
            if run.operation in _CHANGING:
                arguments["show_secrets"] = False

            def engine() -> None:
                go_on()
                getattr(stack, run.operation)(**arguments)

            try:
                with_lock(stack, run.stack, engine, target.progress.note)
            except CommandError as error:
                for failure in run.steps.failures.values():
                    if failure.is_conflict:
                        line = explained(target, run.stack, failure)
                        run.steps.errors = [
                            line if message == failure.text else message for message in run.steps.errors
                        ]
                raise EngineFailed(cause(run.steps, str(error), run.stack)) from None
        run.ended, run.state = time.monotonic(), "done"
    except RingwallError as error:
        run.ended = time.monotonic()
        run.state, run.error, run.missing = "failed", str(error), isinstance(error, NoSuchStack)


def execute_all(
    target: Target,
    runs: Sequence[Run],
    *,
    program_of: Callable[[str], Callable[[], None]] | None = None,
    ended: Callable[[Run], None] = lambda run: None,
    **options: Any,
) -> None:
    """Independent stacks side by side; `program_of` gives each its program, else it reads its files itself. `ended` is
    called with each run that has ended, from its own thread."""

    stop = threading.Event()

    def work(run: Run) -> None:
        ended(execute(target, run, program=program_of(run.stack) if program_of else None, stop=stop, **options))

    pool = ThreadPoolExecutor(max_workers=engines_at_once())
    try:
        list(pool.map(work, runs))
    except KeyboardInterrupt:
        stop.set()
        if target.budget is not None:
            target.budget.close()
        with _ending(target.progress.note):
            pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def engines_at_once(meminfo: Path = Path("/proc/meminfo")) -> int:
    """How many engines run side by side: as many as the memory that is free has room for, at least one."""
    try:
        match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # no Linux
        return PARALLEL
    return min(PARALLEL, max(1, int(match[1]) // 1024 // ENGINE_MEMORY)) if match else PARALLEL


@contextmanager
def _ending(note: Note) -> Iterator[None]:
    """Wait for engines that were interrupted: each records what it has begun and releases its lock.

    A terminal sends Ctrl-C to them, too; of SIGTERM they learn from this process. The second one makes them stop at once,
    so this process goes on waiting.
    """
    note("interrupted: the engine finishes what it has begun; Ctrl-C once more makes it stop at once")

    def stop_at_once(number: int, _frame: FrameType | None) -> None:
        note("interrupted again: the engine stops at once")
        if number == signal.SIGTERM:
            interrupt_engines()

    previous = {number: signal.signal(number, stop_at_once) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def outcome(target: Target, run: Run) -> str:
    """What an interrupt left of a run that changes a stack."""
    if run.state == "done":
        return f"{run.operation} of {run.stack} is done"
    holders = on_file(target.backend, target.project.name, run.stack)
    if holders == []:
        return f"what was finished of {run.stack} is recorded, and the same command goes on from there"
    lock = "its lock is left" if holders else "its lock may be left"
    return f"{run.stack} was being changed, and {lock}: run `ringwall cancel {run.stack}`, then the same command"


def _quiet_sdk() -> None:
    """Silence the traces that the SDK leaves after a failed or interrupted step; the cause is in the engine's events."""
    warnings.filterwarnings("ignore", "Error in event stream", UserWarning)
    # What the SDK had made ready when an interrupt came.
    warnings.filterwarnings("ignore", r"coroutine '(Output|RPCManager)\.\S+' was never awaited", RuntimeWarning)
    threading.excepthook = _without_cut_off_streams
    for name in ("grpc", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    sys.unraisablehook = _without_cut_off_programs


def _without_cut_off_streams(failure: threading.ExceptHookArgs) -> None:
    """Drop the trace of a thread that read an interrupted engine's output to its end; report any other as usual."""
    name = failure.thread.name if failure.thread is not None else ""
    if not (isinstance(failure.exc_value, ValueError) and "(consumer)" in name):
        threading.__excepthook__(failure)


def _without_cut_off_programs(unraisable: Any) -> None:
    """Drop the interpreter's trace about a program that a failed step cut off; report any other as usual.

    Which of the SDK's nested coroutines is collected first differs from run to run, so all of its runtime's are meant.
    """
    code = getattr(unraisable.object, "cr_code", None)
    # Python 3.14 names the coroutine in words alone.
    if unraisable.object is None and unraisable.exc_traceback is not None:
        code = unraisable.exc_traceback.tb_frame.f_code
    if code is None or "/pulumi/runtime/" not in Path(code.co_filename).as_posix():
        sys.__unraisablehook__(unraisable)
