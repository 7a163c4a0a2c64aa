"""`ringwall local`: runs the guard of one server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from cli import console
from cli.guard import demo
from cli.project import current_project
from components.guard.settings import build_guard_config
from guard.bundle.bundle import Opened
from guard.logs import to_stderr
from model.errors import InputError, PlanRefused, Unreachable
from model.guard_config import DemoIdentity, GuardConfig, Identity, Principals
from model.project import load
from model.stacks import EnvironmentStack, ServerStack
from operations.sockets import exposure


def local(
    stack: str,
    *,
    command: list[str] | None,
    acting_as: str | None,
    port: int | None,
    debug: bool,
) -> None:
    """What `ringwall local` does; its flags and help are in `cli.flags.local`."""
    project = current_project()
    loaded = load(project, stack)
    if not isinstance(loaded, ServerStack):
        raise InputError(f"{stack} is not a server", remedy="name one server, such as dev.github")
    environment, server = loaded.environment, loaded
    to_stderr(debug=debug)
    state = project.root / ".ringwall" / "local" / stack
    config = local_config(environment, server, state, acting_as=acting_as, port=port)
    if server.manifest.origin.command and command:
        raise InputError("the guard starts this server itself (origin.command)", remedy="leave the command out")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _started(config, command or []):
        asyncio.run(demo(Opened(config, config.tool_lock_sha256, 1, frozenset()), state))


def local_config(
    environment: EnvironmentStack, server: ServerStack, state: Path, *, acting_as: str | None, port: int | None
) -> GuardConfig:
    """The stack's guard configuration for one machine: everyone is `acting_as`, everything is on loopback.

    Raises:
        InputError: no grant names the principal.
    """
    manifest = server.manifest
    config = build_guard_config(
        server,
        dict.fromkeys(manifest.hostnames, "local"),
        {agent: agent for agent in manifest.access.agents},
    )
    people = manifest.access.people
    granted = [principal for grant in config.grants for principal in (*grant.to.emails, *grant.to.agents)]
    admitted = [*(people.emails if people else ()), *manifest.access.agents]
    principal = acting_as or next(iter([*granted, *admitted]), None)
    if principal is None:
        raise InputError(
            f"no grant of {server.stack} names an address or an agent",
            remedy="say whose grants count: --as ada@example.com",
        )
    person = "@" in principal
    if not person and principal not in manifest.access.agents:
        raise InputError(f"{principal} is neither an e-mail address nor an agent of {server.stack}", key="--as")
    if not any(_applies(grant.to, principal) for grant in config.grants):
        console.note(f"warning: no grant names {principal}: nothing will be listed or callable")
    identity = DemoIdentity(
        principal=f"{'person' if person else 'agent'}:{principal}",
        email=principal if person else None,
        agent=None if person else principal,
    )
    values = config.dump() | {
        "identity": Identity(demo=identity).dump(),
        "listen": {"port": port or manifest.guard_port},
        "admin_port": config.admin_port if port is None else None,
        "audit": {"path": str(state.absolute() / "audit.jsonl")},
    }
    values["guard"]["redis"] = None
    for key in ("identity_keys", "token_exchange"):
        if values["origin"].pop(key, None):
            console.note(f"warning: origin.{key} is left out: it needs the host's own keys, or callers who sign in")
    return GuardConfig.model_validate(values)


def _applies(grantees: Principals, principal: str) -> bool:
    if (
        grantees.all
        or principal in grantees.agents
        or principal.lower() in (email.lower() for email in grantees.emails)
    ):
        return True
    return principal.rpartition("@")[2] in grantees.domains


@contextlib.contextmanager
def _started(config: GuardConfig, command: list[str]) -> Iterator[None]:
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
