"""What a new server would take from one that is there: the blame is the newcomer's, by the flag that names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from model.cross_checks import perimeter_ports
from model.errors import InputError, InputErrors
from model.front_door import ADMIN_PORT_OFFSET
from model.project import Project, load_environment
from model.server import Origin
from model.stacks import EnvironmentStack, PerimeterStack, ServerStack

FIRST_GUARD_PORT = 9010


def siblings_of(project: Project, environment: EnvironmentStack) -> list[EnvironmentStack]:
    """The project's other environments; one that cannot be read has its own errors."""
    siblings: list[EnvironmentStack] = []
    for name in project.environments():
        if name != environment.name:
            with suppress(InputError):
                siblings.append(load_environment(project, name))
    return siblings


def free_guard_port(
    environment: EnvironmentStack, siblings: Sequence[EnvironmentStack], origin: Origin | None = None
) -> int:
    """Return the first port from 9010 that nothing in the environment uses, nor another environment on a host of its.

    It is free on every host, as topology hybrid needs one port that is free on all of them.
    """
    used = {*_ports(environment, environment), origin.port if origin else None}
    for sibling in siblings:
        used.update(_ports(sibling, environment))
    return next(port for port in range(FIRST_GUARD_PORT, 64536) if not used & {port, port + ADMIN_PORT_OFFSET})


def _ports(environment: EnvironmentStack, neighbour: EnvironmentStack) -> Iterator[int | None]:
    """The ports that an environment uses on the hosts that `neighbour` has, too."""
    hosts = neighbour.settings.hosts
    yield from (host.gateway_port for name, host in environment.settings.hosts.items() if name in hosts)
    for stack in environment.perimeters:
        if stack.manifest.host in hosts:
            yield from _ports_of(stack)


def _ports_of(stack: PerimeterStack) -> tuple[int, ...]:
    return tuple(port for _, port, _ in perimeter_ports(stack))


def refuse_taken(
    environment: EnvironmentStack,
    siblings: Sequence[EnvironmentStack],
    *,
    host: str,
    hostname: str,
    guard_port: int,
    origin: Origin,
) -> None:
    """Raise InputErrors for a name or port of a new server that another server has, one line each."""
    problems: list[InputError] = []
    free = free_guard_port(environment, siblings, origin)
    for server in (server for sibling in (environment, *siblings) for server in sibling.perimeters):
        same_host = server.manifest.host == host
        if hostname in server.manifest.hostnames:
            problems.append(
                InputError(f"{hostname} is {server.stack}'s host name", key="--hostname", remedy="choose another")
            )
        if same_host and guard_port in _ports_of(server):
            problem = f"port {guard_port} on host {host} is {server.stack}'s"
            problems.append(InputError(problem, key="--guard-port", remedy=f"leave the option out (free: {free})"))
        if same_host and origin.port is not None and origin.port in _ports_of(server):
            is_server = isinstance(server, ServerStack) and origin.port == server.manifest.origin.port
            problems.append(
                InputError(
                    f"port {origin.port} on host {host} is {server.stack}'s {'server' if is_server else 'guard'}"
                    f"{' already' if is_server else ''}",
                    key="--url",
                    remedy=f"to see what that server changed run `ringwall lock diff {server.stack}`; another server has a "
                    "port of its own"
                    if is_server
                    else "start the server on another port",
                )
            )
    if problems:
        raise InputErrors(problems)
