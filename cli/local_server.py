"""The MCP server that `ringwall local` starts, as a host does but for its user, files and network; it ends with the guard.

A server with a URL must listen on loopback alone. A command runs behind a Unix socket.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from cli import console
from guard.http.stdio_command import socket_of
from model.errors import InputError, PlanRefused, Unreachable
from model.guard_config import GuardConfig
from model.private_folder import make_private
from model.stacks import ServerStack
from operations.host.activation import command_socket
from operations.host.machine import HostMember
from operations.host.server_process import server_process, server_variables
from operations.sockets import exposure
from wire.secrets import command_variables

#: What a server has of the shell that starts it here: where programs are, and who it is. On a host systemd says so.
_FROM_SHELL = ("PATH", "LANG", "USER", "LOGNAME")


def unconfined(server: ServerStack) -> str:
    """What a server that is started here has as on its host, and what it has not."""
    egress = server.manifest.origin.egress
    allowed = f"calls {', '.join(egress)} alone" if egress else "calls nothing"
    return (
        "here the server has a home and variables of its own, but your user, files and network; as the files of"
        f" `ringwall host render {server.stack} --output hosts` have it run, it has a user and a network of its own, and"
        f" {allowed}"
    )


def local_variables(state: Path) -> dict[str, str]:
    """The environment of a server here, without the values that its stack file names; its home is made."""
    home = state.absolute() / "home"
    make_private(home)
    shell = {name: os.environ[name] for name in _FROM_SHELL if name in os.environ}
    return {**shell, **server_variables(str(home))}


@contextlib.asynccontextmanager
async def behind_socket(member: HostMember, state: Path) -> AsyncIterator[Path]:
    """The stack's command behind its socket; gives the folder of the commands' sockets.

    Raises:
        InputError: its folder is not on this machine, or a variable has no value here.
    """
    process, origin = server_process(member), member.bundle.origin
    environment = local_variables(state) | (command_variables(origin) if origin else {})
    directory = Path(process.directory or environment["HOME"])
    if not directory.is_dir():
        raise InputError(
            f"{directory} is no folder here", key="origin.directory", remedy="make it as it is on the host"
        )
    errors = state / "server.log"
    console.note(f"note: the command runs in {directory}; what it writes to stderr is in {errors}")
    # Of a short name: a socket's path has at most 107 bytes (unix(7)).
    with tempfile.TemporaryDirectory(prefix="ringwall-") as folder:
        path = socket_of(Path(folder), member.bundle.environment, member.bundle.server)
        async with command_socket(
            path,
            process.command or (),
            environment=environment,
            directory=directory,
            umask=process.umask,
            errors=errors,
        ):
            yield Path(folder)


@contextlib.contextmanager
def started(config: GuardConfig, command: list[str], environment: Mapping[str, str], umask: int) -> Iterator[None]:
    """The server, if it is to be started here: it must listen on loopback alone, where the stack says."""
    if not command:
        yield
        return
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, start_new_session=True, env=dict(environment), umask=umask
        )
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
