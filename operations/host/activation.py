"""A socket behind which a command runs once for each connection, as `Accept=yes` of systemd.socket(5) has it on a host."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from operations.host.server_process import MAX_CONNECTIONS

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def command_socket(
    path: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    umask: int,
    errors: Path,
) -> AsyncIterator[None]:
    """Listen at `path` for this user alone; what the command writes to stderr goes to the file `errors`."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener, open(errors, "ab", opener=_private) as log:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        listener.setblocking(False)
        running: set[asyncio.Task[None]] = set()

        async def run(connection: socket.socket) -> None:
            with connection:
                # The command reads and writes as it would a pipe.
                connection.setblocking(True)
                try:
                    child = await asyncio.create_subprocess_exec(
                        *command,
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=log,
                        env=dict(environment),
                        cwd=directory,
                        umask=umask,
                        start_new_session=True,
                    )
                except OSError as error:
                    _log.warning("the command cannot be started in %s (%s)", directory, error.strerror)
                    return
            try:
                code = await child.wait()
                if code > 0:
                    _log.warning("the command ended with exit code %d; what it wrote to stderr is in %s", code, errors)
            finally:
                # The whole group: a wrapper such as npx leaves its child behind otherwise.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                await child.wait()

        async def accept() -> None:
            loop = asyncio.get_running_loop()
            while True:
                connection, _ = await loop.sock_accept(listener)
                if len(running) >= MAX_CONNECTIONS:
                    connection.close()
                    continue
                task = loop.create_task(run(connection))
                running.add(task)
                task.add_done_callback(running.discard)

        accepting = asyncio.create_task(accept())
        try:
            yield
        finally:
            for task in (accepting, *running):
                task.cancel()
            await asyncio.gather(accepting, *running, return_exceptions=True)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
