"""The machine that several host bundles speak of: one environment's servers on one host, under one gateway node."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from model.errors import InputError
from model.host_bundle import HostBundle, Kong, Secret
from operations.gateway_file import GatewayFile

#: The guard's own port that tells of all servers of the machine.
HOST_PORT = 9900
#: cloudflared's metrics; it takes the first free one of 20241 to 20245 where nothing is said.
TUNNEL_METRICS = 20241
ETC = "/etc/ringwall"
#: The folder of the commands' sockets, each in a folder of its server.
SOCKETS = "/run/ringwall"


@dataclass(frozen=True)
class HostMember:
    """A server or model route of the machine."""

    bundle: HostBundle
    #: Its place among the machine's members.
    number: int

    @property
    def stack(self) -> str:
        return f"{self.bundle.environment}.{self.bundle.server}"

    @property
    def folder(self) -> str:
        return f"{ETC}/{self.stack}"

    @property
    def command(self) -> tuple[str, ...] | None:
        return self.bundle.origin.command if self.bundle.origin else None

    @property
    def url(self) -> str | None:
        return self.bundle.origin.url if self.bundle.origin else None

    @property
    def socket(self) -> str | None:
        return self.bundle.origin.socket if self.bundle.origin else None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of a server with a URL."""
        parts = urlsplit(self.url or "")
        host = "127.0.0.1" if parts.hostname in (None, "localhost") else str(parts.hostname)
        return host, parts.port or 80

    @property
    def user(self) -> str:
        """The system user of its server; Linux has at most 31 characters for one."""
        plain = f"mcp-{self.bundle.environment}-{self.bundle.server}"
        if "-" not in self.bundle.environment + self.bundle.server and len(plain) <= 31:
            return plain
        return f"mcp-{self.bundle.server[:17]}-{hashlib.sha256(self.stack.encode()).hexdigest()[:8]}"

    @property
    def runs_here(self) -> bool:
        """Whether a server of its own runs here; a model route's models are elsewhere."""
        return self.bundle.origin is not None

    @property
    def metrics(self) -> int:
        return TUNNEL_METRICS + self.number

    def secrets(self, reader: str) -> tuple[Secret, ...]:
        return tuple(secret for secret in self.bundle.secrets if secret.reader == reader)


@dataclass(frozen=True)
class Machine:
    """One host with everything that runs on it."""

    environment: str
    name: str
    members: tuple[HostMember, ...]
    kong: Kong
    #: The whole configuration of its gateway node, where that has no control plane.
    declared: GatewayFile | None = None

    @classmethod
    def of(cls, bundles: Sequence[HostBundle], declared: GatewayFile | None = None) -> Machine:
        """The machine of the bundles of one host.

        Raises:
            InputError: the bundles disagree about the gateway node, or two processes want one port.
        """
        ordered = sorted(bundles, key=lambda bundle: bundle.server)
        first = ordered[0]
        kong = first.kong if declared is None else _without_control_plane(first)
        for further in ordered[1:]:
            if further.kong != first.kong:
                raise InputError(
                    f"{first.environment}.{first.server} and {further.environment}.{further.server} want different settings "
                    f"of Kong on {first.host}",
                    remedy=f"run `ringwall up {first.environment}`, so that both are of one state of the files",
                )
        if declared is not None:
            ordered = [_without_cluster(bundle) for bundle in ordered]
        members = tuple(HostMember(bundle, number) for number, bundle in enumerate(ordered))
        machine = cls(first.environment, first.host, members, kong, declared)
        machine._require_distinct_ports()
        machine._require_own_log_folders()
        return machine

    @property
    def kong_runs_here(self) -> bool:
        return self.kong.role != "elsewhere"

    @property
    def guarded(self) -> tuple[HostMember, ...]:
        """Those before which a guard stands here; a model route may do without one."""
        return tuple(member for member in self.members if member.bundle.guard is not None)

    @property
    def servers(self) -> tuple[HostMember, ...]:
        return tuple(member for member in self.members if member.runs_here)

    @property
    def commands(self) -> tuple[HostMember, ...]:
        return tuple(member for member in self.members if member.command)

    @property
    def guard_ports(self) -> tuple[int, ...]:
        ports = [port for member in self.members for port in _ports(member, "guard")]
        return tuple(sorted({*ports, HOST_PORT}))

    @property
    def kong_ports(self) -> tuple[int, ...]:
        return tuple(sorted(port for _, port in self._kong_listens()))

    @property
    def gateway_log_folders(self) -> tuple[str, ...]:
        """The folders that Kong writes its log files into."""
        files = {file for member in self.members for file in member.bundle.gateway_logs}
        return tuple(sorted({file.rpartition("/")[0] or "/" for file in files}))

    @property
    def guard_arguments(self) -> tuple[str, ...]:
        sockets = ("--command-sockets", SOCKETS) if self.commands else ()
        return (
            *("guard", "run", "--host", ETC, "--state", "/var/lib/ringwall", "--admin-port", str(HOST_PORT)),
            *sockets,
        )

    def variables(self, reader: str) -> dict[str, str]:
        """The environment variables that a process of the whole machine needs as secrets, and what for."""
        named = _variables(secret for member in self.members for secret in member.secrets(reader))
        return {**named, **self.declared.variables} if reader == "kong" and self.declared else named

    def _kong_listens(self) -> list[tuple[str, int]]:
        """Key and port of each address that Kong listens on."""
        listens = [
            (key, address)
            for key, value in sorted(self.kong.settings.items())
            if key.endswith("_listen") and value != "off"
            for address in value.split(",")
        ]
        return [(key, int(address.split()[0].rpartition(":")[2])) for key, address in listens]

    def _require_own_log_folders(self) -> None:
        for folder in self.gateway_log_folders:
            separate = folder == posixpath.normpath(folder) and folder.startswith("/var/log/")
            if not separate or f"{folder}/".startswith("/var/log/ringwall/"):
                raise InputError(
                    f"the gateway node of host {self.name} would write its log into {folder}; all but a folder of its own"
                    " below /var/log is closed to it",
                    key="logs.file.path",
                    remedy="write it such as /var/log/kong/requests.log",
                )

    def _require_distinct_ports(self) -> None:
        owners: dict[int, str] = {HOST_PORT: "the guard's own port of this machine"} if self.guarded else {}
        claims = [(f"Kong's {key}", port) for key, port in (self._kong_listens() if self.kong_runs_here else ())]
        for member in self.members:
            claims += [(f"the guard of {member.stack}", port) for port in _ports(member, "guard")]
            claims += [(f"the server of {member.stack}", port) for port in _ports(member, "server")]
            claims.append((f"cloudflared of {member.stack}", member.metrics))
        for owner, port in claims:
            if port in owners:
                raise InputError(
                    f"on host {self.name} port {port} is wanted twice: by {owners[port]} and by {owner}",
                    remedy="give one of them another port in its stack file",
                )
            owners[port] = owner


def _without_control_plane(bundle: HostBundle) -> Kong:
    """The gateway node with its configuration in a file: no database, no Admin API, no cluster."""
    if bundle.kong.role != "data_plane":
        place = "runs elsewhere" if bundle.kong.role == "elsewhere" else "is the one that `ringwall up` writes to"
        raise InputError(
            f"the gateway of {bundle.host} {place}",
            key="--db-less",
            remedy="leave it out; a node that reads a file is for hosts of the hybrid topology",
        )
    settings = {key: value for key, value in bundle.kong.settings.items() if not key.startswith("cluster_")}
    return Kong(version=bundle.kong.version, role="traditional", settings={**settings, "role": "traditional"})


def _without_cluster(bundle: HostBundle) -> HostBundle:
    """The bundle without the control plane among the destinations."""
    names = ("cluster_control_plane", "cluster_telemetry_endpoint")
    nodes = {bundle.kong.settings.get(name) for name in names}
    egress = tuple(item for item in bundle.egress if item.process != "kong" or item.destination not in nodes)
    return bundle.model_copy(update={"egress": egress})


def _ports(member: HostMember, process: str) -> list[int]:
    listeners = [item for item in member.bundle.listeners if item.process == process]
    return [int(item.address.rpartition(":")[2]) for item in listeners if not item.address.startswith("/")]


def _variables(secrets: Iterable[Secret]) -> dict[str, str]:
    named = [(secret.reference.env, secret.purpose) for secret in secrets if secret.reference.env]
    return {name: purpose for name, purpose in sorted(named) if name}
