"""How much memory this process may use, as the system says it."""

from __future__ import annotations

from pathlib import Path

from guard.memory import MessageMemory

#: What is assumed where the system says nothing.
UNKNOWN = 1 << 30


#: The part of a process's memory that messages may take; the rest is for the guard itself, its caches and what was freed and
#: not given back.
_PART = 2


def message_memory(mebibytes: int | None = None, *, several: bool = False, parts: int = 1) -> MessageMemory:
    """The memory for messages of one process: so many MiB, or half of what the process may use.

    Args:
        several: whether guards of several servers share it.
        parts: processes that share what there is.
    """
    most = usable_memory() // _PART if mebibytes is None else mebibytes * 2**20
    return MessageMemory(most // parts, several=several)


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes: the machine's memory, or the narrowest limit of the control groups that the process is in. `root` is where the
    system's own folders are."""
    limits = [_machine(root), *_second_version(root), *_first_version(root)]
    return min((limit for limit in limits if limit is not None and limit > 0), default=UNKNOWN)


def _machine(root: Path) -> int | None:
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return None


def _second_version(root: Path) -> list[int | None]:
    """The limits of the group and of those above it. In a container the group is shown as the root itself."""
    groups = root / "sys/fs/cgroup"
    folder = groups / _group(root, "0", "").lstrip("/")
    places = [folder, *folder.parents]
    within = [place for place in places if place == groups or groups in place.parents]
    return [_number(place / name) for place in within for name in ("memory.max", "memory.high")]


def _first_version(root: Path) -> list[int | None]:
    groups = root / "sys/fs/cgroup/memory"
    group = _group(root, None, "memory").lstrip("/")
    return [_number(place / "memory.limit_in_bytes") for place in (groups, groups / group)]


def _group(root: Path, number: str | None, controller: str) -> str:
    """The group of the process in a hierarchy, by its number or its controller; empty where it is in none."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        of, controllers, group = (*line.split(":", 2), "", "")[:3]
        if of == number if number is not None else controller in controllers.split(","):
            return group
    return ""


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None  # "max" is none


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
