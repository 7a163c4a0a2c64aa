"""The ports that example files name: whoever listens there on the machine of a test is no part of the test.

A project of `tests.support.projects` has its servers on 3000 and its guards on 9010, its gateway on 8000 and 8001. Tests
start nothing there, and what they run is to find nothing there, also where a developer's own programs listen.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest

from model.front_door import ADMIN_PORT_OFFSET
from model.loopback import is_loopback

_SERVERS = range(3000, 3010)
_GUARDS = range(9010, 9020)
PORTS = frozenset({*_SERVERS, *_GUARDS, *(port + ADMIN_PORT_OFFSET for port in _GUARDS), 8000, 8001, 8080})


def refuse_connections(patch: pytest.MonkeyPatch) -> None:
    """Make every connection of this process to one of `PORTS` on loopback fail as where nothing listens."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refusing_connect(self: socket.socket, address: Any) -> None:
        if _is_example(address):
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        connect(self, address)

    def refusing_connect_ex(self: socket.socket, address: Any) -> int:
        return errno.ECONNREFUSED if _is_example(address) else connect_ex(self, address)

    patch.setattr(socket.socket, "connect", refusing_connect)
    patch.setattr(socket.socket, "connect_ex", refusing_connect_ex)


def _is_example(address: Any) -> bool:
    return isinstance(address, tuple) and address[1] in PORTS and is_loopback(str(address[0]))
