"""Finds the audit log that a person names: a file, or a server whose log the guard or `ringwall local` wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.guard.settings import audit_file
from guard.audit.files import log_files, worker_logs
from model.errors import InputError
from model.project import Project


def local_log(project: Project, stack: str) -> Path:
    """The log that `ringwall local` writes for a server."""
    return project.root / ".ringwall" / "local" / stack / "audit.jsonl"


def find_log(name: str, project: Callable[[], Project], note: Callable[[str], None]) -> Path:
    """The log named by its path, or by its server (`dev.github`): the guard's on this host before `ringwall local`'s.

    `note` is told which file a server's name led to.

    Raises:
        InputError: nothing is there; it says where a log of that server would be.
    """
    path = Path(name)
    if _is_there(path) or "/" in name or name.endswith(".jsonl"):
        return path
    try:
        opened = project()
        servers = [stack for stack in opened.stacks() if "." in stack]
    except InputError:
        opened, servers = None, []
    if opened is None or name not in servers:
        known = f"name one of {', '.join(servers)}, or " if servers else ""
        raise InputError("no audit log is here", file=path, remedy=f"{known}give the path of a log file")
    places = [Path(audit_file(name)), local_log(opened, name)]
    logs = [place for place in places if _is_there(place)]
    if not logs:
        raise InputError(
            f"{name} has no audit log on this machine",
            remedy=f"run this on its host, where the guard writes {places[0]}; `ringwall local {name}` writes {places[1]}",
        )
    second = f"; there is also {logs[1]}" if len(logs) > 1 else ""
    note(f"reading {logs[0]}{second}")
    return logs[0]


def all_logs(path: Path) -> list[Path]:
    """The log at `path`, and those of the further workers of its guard."""
    return [path, *(worker_logs(path).values() if path.parent.is_dir() else ())]


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or (path.parent.is_dir() and bool(log_files(path)))
    except OSError:
        return False
