"""Ports for programs that must be told theirs before they listen.

A port that the system hands out (bind to 0) is from the range of outgoing connections: between finding it free and
listening on it, any connection of the machine may take it. These are from below that range, each held by a file lock as
long as this process lives, so that no other test process is given the same one.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from itertools import chain
from pathlib import Path
from typing import IO

#: Below Linux's and macOS's first ephemeral port (32768 and 49152), above well-known ones.
FIRST, LAST = 20_000, 32_000
#: The locks of this process; closing one gives its port back.
_held: list[IO[str]] = []


def free_port(*, beside: int = 0) -> int:
    """A loopback port that nothing listens on, and that no other caller is given while this process lives.

    With `beside` the port so far above it is held in the same way, as `ringwall local --port` uses both.
    """
    folder = Path(tempfile.gettempdir()) / f"ringwall-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Processes that begin at different places meet less often; what decides is the lock.
    last = LAST - beside
    begin = random.Random(f"{os.getpid()} {len(_held)}").randrange(FIRST, last)  # noqa: S311
    for port in chain(range(begin, last), range(FIRST, begin)):
        locks = [lock for each in {port, port + beside} if (lock := _lock(folder, each)) is not None]
        if len(locks) == len({port, port + beside}):
            _held.extend(locks)
            return port
        for lock in locks:
            lock.close()
    raise RuntimeError(f"no port from {FIRST} to {LAST} is free")


def _lock(folder: Path, port: int) -> IO[str] | None:
    """The lock of a free port; None where somebody has one of the two."""
    lock = (folder / str(port)).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return None
    return lock
