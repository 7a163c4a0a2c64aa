"""How a host runs a server: what it starts, where, and with which variables, in every format and by `ringwall local`."""

from __future__ import annotations

from dataclasses import dataclass

from operations.host.machine import HostMember

#: Connections to a command's socket, and so copies of the command, at one time.
MAX_CONNECTIONS = 512


@dataclass(frozen=True)
class ServerProcess:
    """A server as a process."""

    #: The command; None where the operator provides the program that starts the server.
    command: tuple[str, ...] | None
    #: Where it starts; None for the folder that is the server's own.
    directory: str | None
    #: What its stack file lets it have, by name; the operator gives the values.
    variables: tuple[str, ...]
    #: A server opens its socket for the guard's group, everything else is for itself alone.
    umask: int


def server_process(member: HostMember) -> ServerProcess:
    """The process of a member that runs here."""
    origin = member.bundle.origin
    variables = tuple(sorted(origin.environment)) if origin else ()
    directory = origin.directory if origin else None
    return ServerProcess(member.command, directory, variables, 0o007 if member.socket else 0o077)


def server_variables(home: str) -> dict[str, str]:
    """What a server finds in its environment besides: a folder of its own for a home, and nothing of whoever starts it."""
    return {"HOME": home}
