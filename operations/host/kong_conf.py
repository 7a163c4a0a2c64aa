"""kong.conf of a host's gateway node, and what the operator gives the node beside it."""

from __future__ import annotations

from dataclasses import dataclass

from operations.host.machine import ETC, Machine

KONG_CONF = f"{ETC}/kong.conf"


@dataclass(frozen=True)
class ClusterFile:
    """A file by which a data plane and its control plane prove themselves to one another."""

    setting: str
    name: str
    purpose: str
    secret: bool = False

    @property
    def path(self) -> str:
        return f"{ETC}/{self.name}"


_CERTIFICATE = ClusterFile("cluster_cert", "kong-cluster.crt", "the node's certificate for its control plane")
_KEY = ClusterFile("cluster_cert_key", "kong-cluster.key", "the key of the node's certificate", secret=True)
_AUTHORITY = ClusterFile("cluster_ca_cert", "kong-cluster-ca.crt", "the authority of the cluster's certificates")


def kong_conf(machine: Machine, *, declared_at: str | None = None) -> str:
    """What the stack decides. What is the operator's own comes from the environment, which Kong reads as `KONG_NAME`.

    Args:
        declared_at: where the node finds its configuration, where it takes none from a control plane.
    """
    settings = {**machine.kong.settings, **{file.setting: file.path for file in cluster_files(machine)}}
    if declared_at is not None:
        settings["declarative_config"] = declared_at
    settings_outside = operator_settings(machine)
    lines = [f"# Kong {machine.kong.version} on {machine.name}: what the stack files decide."]
    if settings_outside:
        lines.append(f"# {', '.join(settings_outside)} stand as KONG_… in {ETC}/kong.env.")
    lines += [f"{key} = {value}".rstrip() for key, value in sorted(settings.items())]
    return "\n".join(lines) + "\n"


def operator_settings(machine: Machine) -> tuple[str, ...]:
    """The settings that no stack file has: where the database is and its password, or where the control plane is."""
    settings = machine.kong.settings
    if machine.kong.role == "data_plane":
        return tuple(name for name in ("cluster_control_plane", "cluster_telemetry_endpoint") if name not in settings)
    return () if settings.get("database") == "off" else ("pg_host", "pg_user", "pg_database", "pg_password")


def cluster_files(machine: Machine) -> tuple[ClusterFile, ...]:
    """The files of a data plane that has a control plane. With one certificate for all nodes, it vouches for itself."""
    if machine.kong.role != "data_plane":
        return ()
    shared = machine.kong.settings.get("cluster_mtls") == "shared"
    return (_CERTIFICATE, _KEY) if shared else (_CERTIFICATE, _KEY, _AUTHORITY)
