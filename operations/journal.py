"""The journal of incident commands: every step of an operation with the time it took, and the file that records it.

`.ringwall/operations.jsonl` lies next to the state and outside Git; the lasting part of the change is in the stack file.
One line is written before anything is touched and one at the end, with the same `id`: an operation without its second
line was cut off.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from engine.progress import Progress
from model import effects
from model.errors import RingwallError
from model.git_environment import git_environment
from model.private_folder import make_private
from plan.rings import RINGS

JOURNAL = Path(".ringwall") / "operations.jsonl"
#: `done`: the ring is as wanted, and that was seen. `waiting`: somebody must still do something. `failed`: the ring is not
#: as wanted. `left`: there is nothing to do.
State = Literal["done", "waiting", "failed", "left"]
_OPEN = ("failed", "waiting")


class NotComplete(RingwallError):
    """An operation ended and a step of it failed or still waits; the message names them, and each was shown as it ended."""


@dataclass(frozen=True)
class OperationStep:
    """How one ring of one stack stands. `seconds` is when this was known, counted from the begin of the operation."""

    stack: str
    ring: str
    state: State
    text: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "ring": self.ring,
            "state": self.state,
            "text": self.text,
            "seconds": round(self.seconds, 3),
        }


def timestamp() -> str:
    """The time in the format of stack files and journals."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def operator(root: Path) -> dict[str, str | None]:
    """The user of this project by Git's configuration and by the operating system, None where unknown. Neither is proven."""
    return {"name": _git(root, "user.name"), "email": _git(root, "user.email"), "os_user": _os_user()}


def _order(ring: str) -> tuple[int, str]:
    """Rings close side by side, so the order in which they answer says nothing. What is no ring, as a file, goes first."""
    return (RINGS.index(ring) if ring in RINGS else -1, ring)


@dataclass
class Operation:
    """One run of `lockdown` or `revoke`. Every step is shown as it ends."""

    root: Path
    command: str
    target: str
    reason: str | None
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    steps: list[OperationStep] = field(default_factory=list)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    started: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Start the clock, and record in the journal what is about to be done."""
        self.started = self.clock()
        effects.record(self._outcome)
        self._write({"who": operator(self.root), "reason": self.reason, "result": "begun"})

    @property
    def elapsed(self) -> float:
        """Seconds since `begin`."""
        return self.clock() - self.started

    def step(self, stack: str, ring: str, state: State, text: str, seconds: float | None = None) -> OperationStep:
        """Record and show how a ring stands now, or stood after `seconds`."""
        step = OperationStep(stack, ring, state, text, self.elapsed if seconds is None else seconds)
        with self._lock:
            self.steps.append(step)
            show = self.progress.note if state in _OPEN else self.progress.say
            show(f"{stack}: {ring}: {text} ({step.seconds:.1f} s)")
        return step

    def attempt(self, stack: str, ring: str, work: Callable[[], str], *, failed: str) -> OperationStep:
        """Do one step. An error becomes a failed step, so that the next ring is closed all the same."""
        try:
            text = work()
        except RingwallError as error:
            return self.step(stack, ring, "failed", f"{failed}: {' '.join(str(error).split())}")
        return self.step(stack, ring, "done", text)

    def end(self) -> None:
        """Record in the journal how the operation ended.

        Raises:
            NotComplete: steps failed or wait for somebody; the message names all of them.
        """
        open_steps = [step for step in self.steps if step.state in _OPEN]
        result = "done" if not open_steps else "not complete"
        self._write({"result": result, "steps": [step.as_json() for step in self.steps]})
        if open_steps:
            rings: dict[str, set[str]] = {}
            for step in open_steps:
                rings.setdefault(step.stack, set()).add(step.ring)
            places = ", ".join(
                f"{stack} ({', '.join(sorted(names, key=_order))})" for stack, names in sorted(rings.items())
            )
            raise NotComplete(
                f"{self.command} is not complete: {places}", remedy="each line above says what is left, and what to do"
            )

    def _outcome(self) -> str:
        known = ", ".join(f"{step.stack}: {step.ring}" for step in self.steps if step.state == "done") or "nothing yet"
        return f"{self.command} of {self.target} was begun (done: {known}); the same command goes on from there"

    def as_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "id": self.id,
            "command": self.command,
            "target": self.target,
            "reason": self.reason,
            "complete": all(step.state in ("done", "left") for step in self.steps),
            "steps": [step.as_json() for step in self.steps],
        }

    def _write(self, members: dict[str, Any]) -> None:
        record = {
            "version": 1,
            "id": self.id,
            "at": timestamp(),
            "command": self.command,
            "target": self.target,
            **members,
        }
        file = self.root / JOURNAL
        try:
            make_private(file.parent)
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            # Closing matters more than the journal: warn and go on.
            self.progress.note(
                f"warning: {file}: cannot be written ({error.strerror}); this operation is not in the journal"
            )


def _git(root: Path, key: str) -> str | None:
    try:
        process = subprocess.run(
            ["git", "config", "--get", key],
            cwd=root,
            env=git_environment(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip() or None


def _os_user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
