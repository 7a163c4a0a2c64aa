"""The units of a server's ways out: a socket inside its network, and a proxy outside of it, for each destination."""

from __future__ import annotations

from operations.host.host_file import HostFile
from operations.host.machine import HostMember
from operations.host.unit_text import CONFINEMENT, HIDDEN, UNITS, endpoint, unit
from operations.host.way_out import WayOut, hosts_file, ways_out

#: Where the operator puts the program, or a script, that starts a server with a URL or a socket of its own.
STARTERS = "/usr/local/lib/ringwall"


def way_files(member: HostMember) -> list[HostFile]:
    """Every file of the member's ways out; none where its server calls nothing."""
    ways = ways_out(member)
    files = [file for way in ways for file in (_socket(member, way), _service(member, way))]
    return [*files, HostFile(f"root{hosts_path(member)}", hosts_file(member))] if ways else []


def hosts_path(member: HostMember) -> str:
    return f"{STARTERS}/{member.stack}.hosts"


def network_owner(member: HostMember) -> str:
    """The unit whose network a server's units join. systemd looks no further than that unit's own (systemd.unit(5))."""
    return _socket_unit(member, 1) if ways_out(member) else f"ringwall-server-{member.stack}.service"


def way_lines(member: HostMember) -> list[tuple[str, str]]:
    """What a server's unit says of its ways out: they are open before it starts, in the network that it then joins."""
    names = " ".join(_socket_unit(member, way.number) for way in ways_out(member))
    return [("Requires", names), ("After", names), ("JoinsNamespaceOf", network_owner(member))] if names else []


def _socket_unit(member: HostMember, number: int) -> str:
    return f"ringwall-out-{member.stack}-{number}.socket"


def _socket(member: HostMember, way: WayOut) -> HostFile:
    owner = network_owner(member)
    joins = [] if way.number == 1 else [("JoinsNamespaceOf", owner), ("After", owner)]
    text = unit(
        f"Where {member.stack} finds {way.name}:{way.port}, inside its network.",
        ("Unit", (("Description", f"Way of {member.stack} to {way.name}:{way.port}"), *joins)),
        (
            "Socket",
            (
                ("ListenStream", endpoint(way.address, way.port)),
                ("PrivateNetwork", "yes"),
                # What is joined is made here, so what the server's unit makes private has to be private here too.
                ("PrivateTmp", "yes"),
                ("PrivateIPC", "yes"),
            ),
        ),
    )
    return HostFile(f"{UNITS}/{_socket_unit(member, way.number)}", text)


def _service(member: HostMember, way: WayOut) -> HostFile:
    text = unit(
        f"Hands connections of {member.stack} on to {way.name}:{way.port}, and to nothing else.",
        ("Unit", (("Description", f"Way of {member.stack} to {way.name}:{way.port}"),)),
        (
            "Service",
            (
                ("DynamicUser", "yes"),
                ("ExecStart", f"/usr/lib/systemd/systemd-socket-proxyd {endpoint(way.name, way.port)}"),
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
    return HostFile(f"{UNITS}/ringwall-out-{member.stack}-{way.number}.service", text)
