"""The units of a server's ways out: a socket inside its network, and a proxy outside of it, for each destination."""

from __future__ import annotations

from operations.host.host_file import HostFile
from operations.host.machine import HostMember
from operations.host.passages import Passage, hosts_file, passages
from operations.host.unit_text import CONFINEMENT, HIDDEN, UNITS, endpoint, unit

#: Where the operator puts the program, or a script, that starts a server with a URL or a socket of its own.
STARTERS = "/usr/local/lib/ringwall"


def passage_files(member: HostMember) -> list[HostFile]:
    """Every file of the member's ways out; none where its server calls nothing."""
    ways = passages(member)
    files = [file for passage in ways for file in (_socket(member, passage), _service(member, passage))]
    return [*files, HostFile(f"root{hosts_path(member)}", hosts_file(member))] if ways else []


def hosts_path(member: HostMember) -> str:
    return f"{STARTERS}/{member.stack}.hosts"


def network_owner(member: HostMember) -> str:
    """The unit whose network a server's units join. systemd looks no further than that unit's own (systemd.unit(5))."""
    return _socket_unit(member, 1) if passages(member) else f"ringwall-server-{member.stack}.service"


def passage_lines(member: HostMember) -> list[tuple[str, str]]:
    """What a server's unit says of its ways out: they are open before it starts, in the network that it then joins."""
    names = " ".join(_socket_unit(member, passage.number) for passage in passages(member))
    return [("Requires", names), ("After", names), ("JoinsNamespaceOf", network_owner(member))] if names else []


def _socket_unit(member: HostMember, number: int) -> str:
    return f"ringwall-out-{member.stack}-{number}.socket"


def _socket(member: HostMember, passage: Passage) -> HostFile:
    owner = network_owner(member)
    joins = [] if passage.number == 1 else [("JoinsNamespaceOf", owner), ("After", owner)]
    text = unit(
        f"Where {member.stack} finds {passage.name}:{passage.port}, inside its network.",
        ("Unit", (("Description", f"Way of {member.stack} to {passage.name}:{passage.port}"), *joins)),
        (
            "Socket",
            (
                ("ListenStream", endpoint(passage.address, passage.port)),
                ("PrivateNetwork", "yes"),
                # What is joined is made here, so what the server's unit makes private has to be private here too.
                ("PrivateTmp", "yes"),
                ("PrivateIPC", "yes"),
            ),
        ),
    )
    return HostFile(f"{UNITS}/{_socket_unit(member, passage.number)}", text)


def _service(member: HostMember, passage: Passage) -> HostFile:
    text = unit(
        f"Hands connections of {member.stack} on to {passage.name}:{passage.port}, and to nothing else.",
        ("Unit", (("Description", f"Way of {member.stack} to {passage.name}:{passage.port}"),)),
        (
            "Service",
            (
                ("DynamicUser", "yes"),
                ("ExecStart", f"/usr/lib/systemd/systemd-socket-proxyd {endpoint(passage.name, passage.port)}"),
                ("UMask", "0077"),
                *CONFINEMENT,
                ("PrivateUsers", "yes"),
                ("ProcSubset", "pid"),
                ("MemoryDenyWriteExecute", "yes"),
                ("InaccessiblePaths", HIDDEN),
                ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
                ("SocketBindDeny", "any"),
                # A name that leads to a metadata service leads nowhere.
                ("IPAddressDeny", "link-local multicast fd00:ec2::254"),
            ),
        ),
    )
    return HostFile(f"{UNITS}/ringwall-out-{member.stack}-{passage.number}.service", text)
