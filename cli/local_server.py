"""The MCP server that `ringwall local` starts: a process that must listen on loopback alone, ended with the guard."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

from cli import console
from model.errors import InputError, PlanRefused, Unreachable
from model.guard_config import GuardConfig
from operations.sockets import exposure


@contextlib.contextmanager
def started(config: GuardConfig, command: list[str]) -> Iterator[None]:
    """The server, if it is to be started here: it must listen on loopback alone, where the stack says."""
    if not command:
        yield
        return
    try:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise InputError(f"{command[0]} cannot be started: {error.strerror}", remedy="correct the command") from None
    try:
        _refuse_exposed(config, process)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _refuse_exposed(config: GuardConfig, process: object, patience: float = 20.0) -> None:
    """Wait until the server listens; raises when it listens beyond loopback, ends, or never does."""
    port = config.origin.port
    if port is None or not isinstance(process, subprocess.Popen):
        return
    until = time.monotonic() + patience
    with console.working(f"waiting for the server on port {port}"):
        while time.monotonic() < until:
            if process.poll() is not None:
                raise Unreachable(f"the server ended with code {process.returncode}; run its command by itself")
            socket = exposure(port)
            if socket.state == "exposed":
                raise PlanRefused(f"port {port} is {socket}; the server was ended")
            if socket.state == "loopback":
                return
            time.sleep(0.05)
    raise Unreachable(f"nothing listens on port {port} after {patience:g} s; origin.url must name the server's port")
