"""The only ways out of a server's network: a loopback address inside it for each destination that the stack names.

The server finds the destination's name in its own /etc/hosts, at that address; whoever listens there hands the connection on
to the real host, outside the server's network. So a server needs no setting of its own, TLS stays between it and the
destination, and nothing else is reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from operations.host.machine import HostMember

#: The first address; 127.0.0.1 is the server's own.
_FIRST = 2


@dataclass(frozen=True)
class Passage:
    """One destination of a server."""

    number: int
    name: str
    port: int
    #: Where it is found inside the server's network. Destinations of one name share it.
    address: str


def passages(member: HostMember) -> tuple[Passage, ...]:
    """Every destination of the member's server, numbered from 1 in the order of the stack file."""
    origin = member.bundle.origin
    pairs = [destination.rpartition(":")[::2] for destination in (origin.egress if origin else ())]
    names = list(dict.fromkeys(name for name, _ in pairs))
    return tuple(
        Passage(number, name, int(port), f"127.0.0.{_FIRST + names.index(name)}")
        for number, (name, port) in enumerate(pairs, 1)
    )


def hosts_file(member: HostMember) -> str:
    """/etc/hosts as the server sees it."""
    lines = [f"# What {member.stack} may call, made by `ringwall host render`.", "127.0.0.1 localhost", "::1 localhost"]
    addresses = {passage.name: passage.address for passage in passages(member)}
    return "\n".join([*lines, *(f"{address} {name}" for name, address in addresses.items())]) + "\n"
