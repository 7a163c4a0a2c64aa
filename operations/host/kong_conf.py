"""kong.conf of a host's gateway node."""

from __future__ import annotations

from operations.host.machine import ETC, Machine

KONG_CONF = f"{ETC}/kong.conf"


def kong_conf(machine: Machine) -> str:
    """What the stack decides. What is the operator's own comes from the environment, which Kong reads as `KONG_NAME`."""
    lines = [
        f"# Kong {machine.kong.version} on {machine.name}: what the stack files decide.",
        f"# {', '.join(operator_settings(machine))} stand as KONG_… in {ETC}/kong.env.",
        *(f"{key} = {value}".rstrip() for key, value in sorted(machine.kong.settings.items())),
    ]
    return "\n".join(lines) + "\n"


def operator_settings(machine: Machine) -> tuple[str, ...]:
    """The settings that no stack file has: where the database or the control plane is, and the keys to it."""
    if machine.kong.role == "data_plane":
        return (
            "cluster_control_plane",
            "cluster_telemetry_endpoint",
            "cluster_cert",
            "cluster_cert_key",
            "cluster_ca_cert",
        )
    return ("pg_host", "pg_user", "pg_database", "pg_password")
