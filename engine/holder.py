"""The processes that hold a stack's lock, and whether they still run.

Pulumi's own backends write a lock file for each update, with pid, user, host and time in it (pkg/backend/diy/lock.go). A
process that was killed leaves its file behind for good.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_CREATED = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")


@dataclass(frozen=True)
class Holder:
    """One process, as the backend names it."""

    user: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, pid {self.pid}, since {self.since}"

    @property
    def local(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def ended(self) -> bool:
        """Whether the process is known to have ended; always false for one of another machine.

        As pids are used again, a process that is no Pulumi has taken the place of one that ended.
        """
        if not self.local:
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or not str(process.name()).startswith("pulumi")
        except psutil.NoSuchProcess:
            return True
        except (psutil.Error, ValueError):  # it may not be seen, or this is no number of a process
            return False


def holders(output: str) -> list[Holder]:
    """The holders that an engine's refusal names."""
    return [Holder(m["user"], m["host"], int(m["pid"]), m["at"]) for m in _CREATED.finditer(output)]


def all_ended(held_by: Sequence[Holder]) -> bool:
    """Whether there are holders and every one of them is known to have ended."""
    return bool(held_by) and all(holder.ended for holder in held_by)


def on_file(backend: str | None, project: str, stack: str) -> list[Holder] | None:
    """The holders in a file backend; None for any other backend, which only the engine can ask."""
    if backend is None or not backend.startswith("file:///"):
        return None
    root = Path(backend.removeprefix("file://").split("?", 1)[0])
    result = []
    for file in sorted((root / ".pulumi" / "locks" / "organization" / project / stack).glob("*.json")):
        try:
            lock = json.loads(file.read_text(encoding="utf-8"))
            result.append(
                Holder(
                    str(lock["username"]), str(lock["hostname"]), int(lock["pid"]), str(lock["timestamp"])[:19] + "Z"
                )
            )
        except FileNotFoundError:
            continue  # released in between
        except (ValueError, KeyError, TypeError):
            result.append(Holder("unknown", "unknown", 0, file.name))
    return result
