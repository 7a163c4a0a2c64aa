"""Who holds a stack's lock, and whether that process still lives.

Pulumi's own backends leave a lock file per update, named after nobody: pid, user, host and time (pkg/backend/diy/lock.go).
A process that was killed leaves it for ever.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CREATED = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")


@dataclass(frozen=True)
class Holder:
    """As the backend names one."""

    user: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, pid {self.pid}, since {self.since}"

    @property
    def local(self) -> bool:
        """Whether it is a process of this machine, so that it can be looked at."""
        return self.host == socket.gethostname()

    @property
    def ended(self) -> bool:
        """Whether it is known to be gone. A process of another machine is never known to be."""
        if not self.local:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return not _is_engine(self.pid)


def _is_engine(pid: int) -> bool:
    """Whether the process of that number is a Pulumi; numbers come round again. True where it cannot be told."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    name, _, fields = status.partition("(")[2].rpartition(")")
    return name.startswith("pulumi") and fields.split()[:1] != ["Z"]


def holders(output: str) -> list[Holder]:
    """The holders that an engine's refusal names."""
    return [Holder(m["user"], m["host"], int(m["pid"]), m["at"]) for m in _CREATED.finditer(output)]


def all_ended(held_by: Sequence[Holder]) -> bool:
    """Whether every holder is known to be gone."""
    return bool(held_by) and all(holder.ended for holder in held_by)


def on_file(backend: str | None, project: str, stack: str) -> list[Holder] | None:
    """The holders in a file backend; None where the backend is another and only the engine can ask it."""
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
