"""What this process has changed so far, for the sentence that an interrupt ends with.

Whoever writes a file, asks a service for a change or lets the engine change a stack records it here, at the moment it
begins. A record is a call that says what has become of it by now.
"""

from __future__ import annotations

from collections.abc import Callable

_records: list[Callable[[], str]] = []


def record(description: Callable[[], str]) -> None:
    """Take note of a change that begins now."""
    _records.append(description)


def request(method: str, service: str) -> None:
    """Take note of a request to a service, where it asks for a change."""
    if method not in ("GET", "HEAD"):
        record(lambda: f"{service} was asked for changes")


def descriptions() -> list[str]:
    """Every change, in order and each once."""
    return list(dict.fromkeys(description() for description in _records))


def forget() -> None:
    """Begin anew, for another command in the same process."""
    _records.clear()
