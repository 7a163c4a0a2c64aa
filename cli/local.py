from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.guard import demo
from cli.options import Debug, ProjectDir, Stack
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
    stack: Stack,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After --: the command that starts the server, if the guard does not.", show_default=False),
    ] = None,
    acting_as: Annotated[
        str | None,
        typer.Option(
            "--as", help="Whose grants count: an e-mail address or an agent; else the first the stack names.",
            metavar="WHO", show_default=False,
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of the guard; else the stack's.", show_default=False)] = None,
    project: ProjectDir = None,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Run the guard of one server on this machine, and the server behind it, until Ctrl-C.

    Grants, tool lock, limits and inspection are the stack's; nobody is verified, so it listens on loopback only. A
    server that is started here and listens beyond loopback is ended at once.

    Example: ringwall local dev.tickets -- python tickets.py
    """
    found = current_project()
    loaded = load(found, stack)
    if not isinstance(loaded, ServerStack):
        raise InputError(f"{stack} is not a server", remedy="name one server, such as dev.github")
    environment, server = loaded.environment, loaded
    to_stderr(debug=debug)
    state = found.root / ".ringwall" / "local" / stack
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
    granted = [who for grant in config.grants for who in (*grant.to.emails, *grant.to.agents)]
    admitted = [*(people.emails if people else ()), *manifest.access.agents]
    who = acting_as or next(iter([*granted, *admitted]), None)
    if who is None:
        raise InputError(
            f"no grant of {server.stack} names an address or an agent",
            remedy="say whose grants count: --as ada@example.com",
        )
    person = "@" in who
    if not person and who not in manifest.access.agents:
        raise InputError(f"{who} is neither an e-mail address nor an agent of {server.stack}", key="--as")
    if not any(_applies(grant.to, who) for grant in config.grants):
        console.note(f"warning: no grant names {who}: nothing will be listed or callable")
    identity = DemoIdentity(
        principal=f"{'person' if person else 'agent'}:{who}",
        email=who if person else None,
        agent=None if person else who,
    )
    values = config.dump() | {
        "identity": Identity(demo=identity).dump(),
        "listen": {"port": port or manifest.guard_port},
        "admin_port": config.admin_port if port is None else None,
        "audit": {"path": str(state.absolute() / "audit.jsonl")},
    }
    values["guard"]["redis"] = None
    return GuardConfig.model_validate(values)


def _applies(to: Principals, who: str) -> bool:
    if to.all or who in to.agents or who.lower() in (email.lower() for email in to.emails):
        return True
    return who.rpartition("@")[2] in to.domains


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
            seen = exposure(port)
            if seen.state == "exposed":
                raise PlanRefused(f"port {port} is {seen}; the server was ended")
            if seen.state == "loopback":
                return
            time.sleep(0.05)
    raise Unreachable(f"nothing listens on port {port} after {patience:g} s; origin.url must name the server's port")
