"""`ringwall local`: runs the guard of one server on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cli import console
from cli.guard_serving import serve_demo
from cli.local_server import behind_socket, local_variables, started, unconfined
from cli.project import current_project
from components.guard.settings import build_guard_config
from guard.bundle.bundle import Opened
from guard.logs import to_stderr
from model.errors import InputError
from model.front_door import ADMIN_PORT_OFFSET
from model.guard_config import DemoIdentity, GuardConfig, Identity, Principals
from model.private_folder import make_private
from model.project import load
from model.stacks import EnvironmentStack, ModelStack, ServerStack
from operations.audit_logs import local_log
from operations.host.machine import HostMember
from operations.host.server_process import server_process
from operations.host.sources import local_member
from operations.ports import require_free
from operations.project.server_files import model_route


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
    if isinstance(loaded, ModelStack):
        raise model_route(project, stack)
    if not isinstance(loaded, ServerStack):
        raise InputError(f"{stack} is not a server", remedy="name one server, such as dev.github")
    environment, server = loaded.environment, loaded
    to_stderr(debug=debug)
    state = local_log(project, stack).parent
    config = local_config(environment, server, state, acting_as=acting_as, port=port)
    if server.manifest.origin.command and command:
        raise InputError("the guard starts this server itself (origin.command)", remedy="leave the command out")
    _refuse_taken(config, starts_server=bool(command))
    member = local_member(server)
    if command or member.command:
        console.note(f"note: {unconfined(server)}")
    make_private(state)
    opened = Opened(config, config.tool_lock_sha256, 1, frozenset())
    if member.command:
        asyncio.run(_served_command(member, opened, state))
        return
    with started(config, command or [], local_variables(state), server_process(member).umask):
        asyncio.run(serve_demo(opened, state))


async def _served_command(member: HostMember, opened: Opened, state: Path) -> None:
    async with behind_socket(member, state) as sockets:
        await serve_demo(opened, state, sockets)


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
        "admin_port": config.admin_port if port is None else _readiness_port(port, config.origin.port),
        "audit": {"path": str(state.absolute() / "audit.jsonl")},
    }
    values["guard"]["redis"] = None
    for key in ("identity_keys", "token_exchange"):
        if values["origin"].pop(key, None):
            console.note(f"warning: origin.{key} is left out: it needs the host's own keys, or callers who sign in")
    return GuardConfig.model_validate(values)


def _readiness_port(port: int, server_port: int | None) -> int:
    """The readiness port beside a chosen guard's port: as far from it as in the stack file, else the next that is a port
    and not the server's."""
    candidates = (
        port + ADMIN_PORT_OFFSET,
        port + ADMIN_PORT_OFFSET + 1,
        port - ADMIN_PORT_OFFSET,
        port - ADMIN_PORT_OFFSET - 1,
    )
    return next(number for number in candidates if number <= 65535 and number != server_port)


def _refuse_taken(config: GuardConfig, *, starts_server: bool) -> None:
    """Refuse ports that others hold, before anything is started: a stranger there is not to be taken for the guard, nor
    for the server."""
    if config.listen.port == config.origin.port:
        raise InputError(
            f"{config.listen.port} is the server's own port (origin.url)", key="--port", remedy="choose another"
        )
    for port in (config.listen.port, config.admin_port):
        if port is not None:
            require_free(port, remedy="end it, or choose another port with --port")
    if starts_server and config.origin.port is not None:
        remedy = "end it if it is the server that the command would start, or leave the command out"
        require_free(config.origin.port, remedy=remedy)


def _applies(grantees: Principals, principal: str) -> bool:
    if (
        grantees.all
        or principal in grantees.agents
        or principal.lower() in (email.lower() for email in grantees.emails)
    ):
        return True
    return principal.rpartition("@")[2] in grantees.domains
