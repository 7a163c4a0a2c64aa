"""Starts the hub and the workers of one guard, puts another in the place of a worker that ends, and ends them all.

It forks and waits and does nothing else: no event loop, no thread and no traffic, so that a fork at any time is a sound one.
What is made before the first fork (imports, compiled rules, the configuration) is in memory once for all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from guard.listening import DRAIN_SECONDS, settle
from guard.workers.crew import Crew
from model.errors import RingwallError

log = logging.getLogger("ringwall.guard")

#: Workers that may end within `WITHIN_SECONDS` before the guard gives up: what ends them would go on.
MOST_LOSSES = 5
WITHIN_SECONDS = 60.0
#: Seconds that processes get to end after SIGTERM, beyond the calls under way.
_GRACE_SECONDS = 8.0
#: A byte that a process writes once it serves.
_SERVES = b"+"
#: Bytes of what a process tells: a pipe takes so much at once (pipe(7)).
_MOST_TOLD = 65536

#: What a forked process does until its end: it is given what to call once it serves. Raises RingwallError.
Work = Callable[[Callable[[], None]], None]


class _Stage(Enum):
    STARTING = "starting"
    SERVING = "serving"
    ENDING = "ending"


@dataclass
class Child:
    """A forked process. `worker` is 0 for the hub."""

    pid: int
    worker: int
    pipe: int
    serves: bool = False
    failure: RingwallError | None = None


class WorkersFailed(RingwallError):
    """The guard ended as its processes did."""


@dataclass
class Supervisor:
    """Runs one guard's processes. `hub` and `worker` are called in a forked process each, `started` once all serve."""

    crew: Crew
    hub: Work
    worker: Callable[[int], Work]
    started: Callable[[], None]
    _children: dict[int, Child] = field(default_factory=dict)
    _losses: list[float] = field(default_factory=list)
    _stage: _Stage = _Stage.STARTING
    _failure: RingwallError | None = None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP has the hub look for a new configuration.

        Raises:
            RingwallError: a process cannot begin, workers end too often, or the hub ended.
        """
        waking, self._wake = os.pipe()
        for descriptor in (waking, self._wake):
            os.set_blocking(descriptor, False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(waking, selectors.EVENT_READ)
        try:
            settle()
            self._fork(0)
            self._loop(waking)
        finally:
            self._end_all()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(waking)
            os.close(self._wake)
        if self._failure is not None:
            raise self._failure

    def _loop(self, waking: int) -> None:
        while self._stage is not _Stage.ENDING:
            for key, _ in self._selector.select():
                if key.fd == waking:
                    self._take_signals(os.read(waking, 256))
                else:
                    self._hear(key.data)
            self._reap()

    def _take_signals(self, numbers: bytes) -> None:
        if {signal.SIGTERM, signal.SIGINT} & set(numbers):
            self._stage = _Stage.ENDING
        elif signal.SIGHUP in numbers:
            for child in self._children.values():
                if child.worker == 0:
                    _signal(child, signal.SIGHUP)

    def _hear(self, child: Child) -> None:
        """Note that a process serves; its end is `_reap`'s to see."""
        text = os.read(child.pipe, _MOST_TOLD)
        self._forget_pipe(child)
        if text != _SERVES:
            child.failure = _reported(text) if text else None
            return
        child.serves = True
        if self._stage is not _Stage.STARTING:
            return
        running = {child.worker: child for child in self._children.values()}
        if child.worker == 0:
            # The last one alone first: what keeps it from serving is said once.
            self._fork(self.crew.count)
        elif len(running) == 2 and self.crew.count > 1:
            for worker in range(1, self.crew.count):
                self._fork(worker)
        elif len(running) == self.crew.count + 1 and all(child.serves for child in running.values()):
            self._stage = _Stage.SERVING
            self.started()

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            if child.pipe >= 0:
                self._hear(child)
            if self._stage is not _Stage.ENDING:
                self._lose(child, os.waitstatus_to_exitcode(status))

    def _lose(self, child: Child, code: int) -> None:
        end = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        if child.worker == 0 or self._stage is _Stage.STARTING:
            name = f"worker {child.worker}" if child.worker else "the process that all workers share"
            ended = WorkersFailed(f"{name} of this guard ended {end}, so the guard ended", remedy=_REMEDY)
            self._failure = child.failure or ended
            self._stage = _Stage.ENDING
            return
        moment = time.monotonic()
        self._losses = [loss for loss in self._losses if moment - loss < WITHIN_SECONDS] + [moment]
        if len(self._losses) > MOST_LOSSES:
            self._failure = WorkersFailed(
                f"more than {MOST_LOSSES} workers of this guard ended within {WITHIN_SECONDS:g} s, the last one {end}, so "
                "the guard ended",
                remedy=_REMEDY,
            )
            self._stage = _Stage.ENDING
            return
        reason = f": {child.failure}" if child.failure else ""
        log.error("worker %d ended %s, and another takes its place; its sessions are over%s", child.worker, end, reason)
        self._fork(child.worker)

    def _end_all(self) -> None:
        """End the workers, which let calls under way end, and then the hub, which they need for these."""
        self._stage = _Stage.ENDING
        self.crew.close_traffic()  # or connections would wait at a worker that has ended
        workers = [child for child in self._children.values() if child.worker]
        self._end(workers, DRAIN_SECONDS + _GRACE_SECONDS)
        self.crew.cut_lifeline()
        self._end(list(self._children.values()), _GRACE_SECONDS)

    def _end(self, children: list[Child], patience: float) -> None:
        for child in children:
            _signal(child, signal.SIGTERM)
        until = time.monotonic() + patience
        while any(child.pid in self._children for child in children):
            remaining = until - time.monotonic()
            if remaining <= 0:
                for child in children:
                    if child.pid in self._children:
                        log.error("process %d of this guard does not end, and is killed", child.pid)
                        _signal(child, signal.SIGKILL)
                        os.waitpid(child.pid, 0)
                        del self._children[child.pid]
                return
            for key, _ in self._selector.select(remaining):
                if isinstance(key.data, Child):
                    self._forget_pipe(key.data)
                else:
                    os.read(key.fd, 256)
            self._reap()

    def _forget_pipe(self, child: Child) -> None:
        if child.pipe >= 0:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    # -- forks --------------------------------------------------------------------------------------------------------

    def _fork(self, worker: int) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or both processes would write what waits
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._work(worker, writing)
        os.close(writing)
        child = self._children[pid] = Child(pid, worker, reading)
        self._selector.register(reading, selectors.EVENT_READ, child)

    def _work(self, worker: int, writing: int) -> None:
        """The forked process, from its first step to its last: it never returns to what its parent was doing."""
        code, report = 1, _Report(writing)
        try:
            signal.set_wakeup_fd(-1)
            # A terminal sends SIGINT and SIGHUP to every process of a group, and a service manager may send SIGTERM to every
            # one of a service: the parent decides what they mean, and workers need the hub until they have ended.
            ignored = (signal.SIGINT, signal.SIGHUP) if worker else (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            self.crew.keep_for(worker)
            work = self.worker(worker) if worker else self.hub
            work(report.serves)
            code = 0
        except RingwallError as error:
            code = error.exit_code
            report.fails(error)
        except BaseException:
            log.exception("a process of this guard failed")
        finally:
            with contextlib.suppress(BaseException):
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
            os._exit(code)


_REMEDY = "look at what it said before; a service manager starts it again"


class _Report:
    """What a process tells the supervisor: that it serves, or why it cannot. What follows is the log's."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def serves(self) -> None:
        self._tell(_SERVES)

    def fails(self, error: RingwallError) -> None:
        if self._pipe < 0:
            log.error("%s", error)
            return
        parts = {name: (getattr(error, name) or "")[:1000] for name in ("problem", "file", "key", "remedy")}
        if len(error.each) > 1:
            parts["problem"] = str(error)[:1000]
        self._tell(json.dumps({**parts, "exit_code": error.exit_code}).encode())

    def _tell(self, text: bytes) -> None:
        if self._pipe >= 0:
            with contextlib.suppress(OSError):
                os.write(self._pipe, text)
            os.close(self._pipe)
            self._pipe = -1


def _reported(text: bytes) -> RingwallError:
    """The error of another process, as if it were raised here."""
    parts = json.loads(text)
    error = WorkersFailed(
        parts["problem"], file=parts["file"] or None, key=parts["key"] or None, remedy=parts["remedy"] or None
    )
    error.exit_code = parts["exit_code"]
    return error


def _signal(child: Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, number)
