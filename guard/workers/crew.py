"""What all processes of one guard with workers inherit, made once before the first of them is forked."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guard.bundle.bundle import Opened
from guard.bundle.source import BundleSource
from model.errors import InputError
from model.guard_config import Listen

_BACKLOG = 2048


@dataclass
class Crew:
    """Its sockets, and what else is one for all.

    `traffic` holds the socket of each worker on the guard's port, from worker 1 on, `rooms` the Unix socket on which it is
    handed what is its own, and `hub` the one on which workers reach the hub; `folder` is where those are.

    The processes hold `lifeline`: its other end is the supervisor's alone, so it ends when that does, however it ends.
    """

    count: int
    opened: Opened
    state: Path
    keys: Mapping[str, Ed25519PublicKey]
    source: BundleSource | None
    every: float
    traffic: list[socket.socket]
    rooms: list[socket.socket]
    hub: socket.socket
    folder: Path
    lifeline: int
    lifeline_end: int
    #: By which every worker seals event ids, so that a stream without a session is resumed at any of them.
    cursor_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def room(self, worker: int) -> str:
        """The path on which this worker is handed requests."""
        return str(self.folder / f"{worker}.sock")

    @property
    def hub_path(self) -> str:
        return str(self.folder / "hub.sock")

    @classmethod
    def gather(
        cls,
        count: int,
        opened: Opened,
        state: Path,
        keys: Mapping[str, Ed25519PublicKey],
        source: BundleSource | None,
        every: float,
    ) -> Crew:
        """Open every socket. Raises InputError."""
        listen = opened.config.listen
        traffic, rooms = _traffic(listen, count), list[socket.socket]()
        folder = Path(tempfile.mkdtemp(prefix="ringwall-"))  # 0700: whoever connects here is trusted
        try:
            for worker in range(1, count + 1):
                rooms.append(_unix(folder / f"{worker}.sock"))
            hub = _unix(folder / "hub.sock")
        except OSError as error:
            for bound in (*traffic, *rooms):
                bound.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(
                f"the workers' sockets cannot be made in {folder} ({error.strerror or error})",
                key="--workers",
                remedy="set TMPDIR to a folder with a short name that the guard may write",
            ) from None
        lifeline, lifeline_end = os.pipe()
        return cls(count, opened, state, keys, source, every, traffic, rooms, hub, folder, lifeline, lifeline_end)

    def keep_for(self, worker: int) -> None:
        """In a forked process, close what is not its own: a socket that others hold too takes connections after its worker's
        end. The hub is worker 0."""
        self.cut_lifeline()
        if worker:
            self.hub.close()
        for number, opened in enumerate(zip(self.traffic, self.rooms, strict=True), 1):
            if number != worker:
                for foreign in opened:
                    foreign.close()

    def close_traffic(self) -> None:
        """Take no further connections in this process."""
        for opened in self.traffic:
            opened.close()

    def cut_lifeline(self) -> None:
        """Have every process end that still runs."""
        if self.lifeline_end >= 0:
            os.close(self.lifeline_end)
            self.lifeline_end = -1

    def close(self) -> None:
        """Close the sockets and remove their folder, as the supervisor does at its end."""
        for opened in (*self.traffic, *self.rooms, self.hub):
            opened.close()
        self.cut_lifeline()
        os.close(self.lifeline)
        shutil.rmtree(self.folder, ignore_errors=True)


def _traffic(listen: Listen, count: int) -> list[socket.socket]:
    """A socket on the guard's port for each worker.

    Linux spreads connections evenly over sockets with SO_REUSEPORT (socket(7)). As the supervisor holds each of them, one
    whose worker ended keeps its connections for the next. With one inherited socket, whichever worker wakes first takes
    a whole burst. Other systems give all connections to one of the sockets, so there the workers share one.
    """
    spread = sys.platform == "linux"
    sockets: list[socket.socket] = []
    try:
        for _ in range(count if spread else 1):
            bound = _tcp(listen, reuse=spread)
            sockets.append(bound)
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise InputError(
            f"cannot listen on {listen.address}:{listen.port} ({error.strerror})",
            key="guard_port",
            remedy="end what listens there, or choose another port",
        ) from None
    return sockets if spread else [sockets[0]] + [sockets[0].dup() for _ in range(count - 1)]


def _tcp(listen: Listen, *, reuse: bool) -> socket.socket:
    [(family, kind, protocol, _, place), *_] = socket.getaddrinfo(
        listen.address, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    bound = socket.socket(family, kind, protocol)
    options = (socket.SO_REUSEADDR, socket.SO_REUSEPORT) if reuse else (socket.SO_REUSEADDR,)
    return _listening(bound, place, options)


def _unix(path: Path) -> socket.socket:
    return _listening(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path), ())


def _listening(bound: socket.socket, place: Any, options: tuple[int, ...]) -> socket.socket:
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(place)
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
