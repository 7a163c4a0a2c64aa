"""What systemd does for a socket unit with `Accept=yes` and `StandardInput=socket` (systemd.socket(5)): every connection
starts the command anew, with the connection as its input and output."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


@contextlib.contextmanager
def command_socket(
    path: Path, command: Sequence[str], *, directory: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A socket behind which the command runs once for each connection. Yields the processes."""
    path.parent.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen()
    processes: list[subprocess.Popen[bytes]] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                process = subprocess.Popen(
                    command, stdin=connection, stdout=connection, cwd=directory, env={**(environment or os.environ)}
                )
            processes.append(process)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield processes
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for process in processes:
            process.kill()
            process.wait()
