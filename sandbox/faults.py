"""Failures and delays that a test orders, to see what an update does when a service fails or answers late."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from model.errors import InputError

Operation = Literal["check", "diff", "create", "read", "update", "delete", "invoke", "*"]
FILE = "faults.json"


@dataclass(frozen=True)
class Fault:
    """A failure or delay of selected calls.

    `operation`, `type` (a glob over type tokens, ``kong:*``) and `name` (a glob over the engine's names of resources)
    select calls, `nth` which of them: 1 is the first, 0 is all. `message` fails the call with that text; without it the
    call only takes `delay` seconds longer. With `after_effect` the service has done its work before the delay begins or
    the answer is lost, which is how a timeout looks to the caller. Previews never count. A call goes on to its end when
    the engine that made it is gone.
    """

    operation: Operation = "*"
    type: str = "*"
    nth: int = 1
    message: str | None = None
    delay: float = 0.0
    after_effect: bool = False
    name: str = "*"


@dataclass
class Faults:
    """The faults in force, with a counter for each; safe to change while the engine runs."""

    faults: list[Fault] = field(default_factory=list)
    _counts: dict[Fault, int] = field(default_factory=dict, repr=False)
    _begun: list[Fault] = field(default_factory=list, repr=False)
    _lock: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def add(self, fault: Fault) -> None:
        """Put one more fault in force; its count starts now."""
        with self._lock:
            self.faults.append(fault)
            self._counts.pop(fault, None)

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self.faults.clear()
            self._counts.clear()
            self._begun.clear()

    def begin(self, fault: Fault) -> None:
        """Note that a call has come to this fault, and for one with `after_effect` that its work is done."""
        with self._lock:
            self._begun.append(fault)
            self._lock.notify_all()

    def wait_for(self, fault: Fault, timeout: float) -> bool:
        """Wait until a call has come to this fault; False where none does in time."""
        with self._lock:
            return self._lock.wait_for(lambda: fault in self._begun, timeout)

    def hits(self) -> list[Fault]:
        """The faults that a call has come to, in their order."""
        with self._lock:
            return list(self._begun)

    def due(self, operation: str, type_: str, name: str = "", extra: list[Fault] | None = None) -> list[Fault]:
        """The faults that this call meets. Counts the call. `extra` are those of the file in the state folder."""
        due: list[Fault] = []
        with self._lock:
            for fault in [*self.faults, *(extra or [])]:
                matches = fnmatchcase(type_, fault.type) and fnmatchcase(name, fault.name)
                if matches and fault.operation in ("*", operation):
                    self._counts[fault] = self._counts.get(fault, 0) + 1
                    if fault.nth in (0, self._counts[fault]):
                        due.append(fault)
        return due


def write(folder: Path, faults: list[Fault]) -> None:
    """Put faults into the state folder, for a sandbox in another process. An empty list removes them."""
    target = folder / FILE
    if not faults:
        target.unlink(missing_ok=True)
        return
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps([asdict(fault) for fault in faults], indent=2), encoding="utf-8")
    temporary.replace(target)


def read(folder: Path) -> list[Fault]:
    """The faults of the state folder; none without the file. Raises `InputError` for a file that is not one."""
    target = folder / FILE
    try:
        text = target.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        return [Fault(**item) for item in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise InputError(f"not a list of faults ({error})", file=target, remedy="remove or correct it") from error
