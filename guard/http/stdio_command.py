"""A running command as `guard.http.stdio_process` needs it: a child of the guard, or one that runs behind a Unix socket.

A child has the guard's user, and with it the guard's keys and audit log. Behind a socket it has a user, a file system and a
network of its own (`systemd.socket(5)`, `Accept=yes`): each connection starts one, and its end ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Protocol

from guard.http.upstream import UpstreamDown

#: Bytes that are read ahead of a command.
READ_AHEAD = 2**18
#: The socket of a command in the folder of its server.
SOCKET = "stdio"


class CommandInput(Protocol):
    """What is written to a command."""

    def write(self, data: bytes, /) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...


class RunningCommand(Protocol):
    """A command that runs: its input, its output, and its end."""

    @property
    def stdin(self) -> CommandInput | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def stderr(self) -> asyncio.StreamReader | None: ...

    async def wait(self) -> object: ...

    def kill(self, number: int) -> None: ...

    def outcome(self) -> str: ...


class ChildCommand:
    """A child process of the guard."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self.stdin = child.stdin
        self.stdout = child.stdout
        self.stderr = child.stderr

    async def wait(self) -> int:
        return await self._child.wait()

    def kill(self, number: int) -> None:
        # The whole group: a wrapper such as npx leaves its child behind otherwise.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    def outcome(self) -> str:
        code = self._child.returncode
        if code is None or code >= 0:
            return "it says no exit code" if code is None else f"exit code {code}"
        return f"signal {-code}"


class SocketCommand:
    """A command behind a Unix socket. What it writes to stderr is in the log of the unit that runs it."""

    stderr = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.stdin = _SocketInput(writer)
        self.stdout = reader

    async def wait(self) -> None:
        # Shielded, as a caller whose patience ends would cancel what others wait for too.
        with contextlib.suppress(OSError):
            await asyncio.shield(self._writer.wait_closed())

    def kill(self, number: int) -> None:
        """No signal goes through a socket: closing it is all there is, and the unit's own limits end what goes on."""
        self._writer.transport.abort()

    def outcome(self) -> str:
        return "it closed its socket; the log of its unit says why"


class _SocketInput:
    """The half of the connection that the command reads; the other half stays open for its last words."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.write_eof()


def socket_of(folder: Path, environment: str, server: str) -> Path:
    """Where a server's command is reached, below the folder that `--command-sockets` names."""
    return folder / f"{environment}.{server}" / SOCKET


async def connect(socket: Path) -> SocketCommand:
    """Have a command started by connecting to its socket. Raises UpstreamDown."""
    try:
        return SocketCommand(*await asyncio.open_unix_connection(socket, limit=READ_AHEAD))
    except OSError as error:
        raise UpstreamDown(
            f"nothing starts the command at {socket} ({error.strerror or error}): start its socket unit, or its container",
            sent=False,
        ) from None
