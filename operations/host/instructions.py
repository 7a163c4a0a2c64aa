"""The README of a host's files: what the operator provides, in the order it is done."""

from __future__ import annotations

from collections.abc import Sequence

from operations.host.kong_conf import operator_settings
from operations.host.machine import ETC, HostMember, Machine
from operations.host.systemd import KONG_USER, started_units
from operations.host.way_units import STARTERS


def systemd_readme(machine: Machine) -> str:
    """How to make a machine this host."""
    units = started_units(machine)
    lines = [
        f"# {machine.name}, a host of {machine.environment}",
        "",
        "Made by `ringwall host render`. Do not edit: `ringwall host check` says what differs from the stack. Put",
        "changes of your own into drop-ins (`systemctl edit UNIT`).",
        "",
        "## Place",
        "",
        "As root, in this folder:",
        "",
        "    ./install.sh --dry-run",
        "    ./install.sh",
        "    systemd-sysusers",
        "    systemd-tmpfiles --create /etc/tmpfiles.d/ringwall.conf",
        "    systemctl daemon-reload",
        "",
        "## Provide",
        "",
        "The users and folders that these belong to are there now.",
        "",
        *_programs(machine),
        *_secrets(machine),
        "",
        "## Start",
        "",
        *(f"    systemctl enable --now {name}" for name in units),
        "",
        "To undo: `systemctl disable --now` for the same units, `systemctl stop 'ringwall-*'` for what these started, then",
        "`./install.sh --undo` and `systemctl daemon-reload`.",
        "",
        *_egress(machine),
    ]
    return "\n".join(lines) + "\n"


def container_readme(machine: Machine, start: Sequence[str], secrets: Sequence[str], remarks: Sequence[str]) -> str:
    """How to start the containers of this host."""
    lines = [
        f"# {machine.name}, a host of {machine.environment}",
        "",
        "Made by `ringwall host render`. Do not edit: `ringwall host check` says what differs from the stack.",
        "",
        "## Provide",
        "",
        *(f"- {line}" for line in secrets),
        "",
        "## Start",
        "",
        *(f"    {line}" for line in start),
        "",
        *remarks,
        *_egress(machine),
    ]
    return "\n".join(lines) + "\n"


def _programs(machine: Machine) -> list[str]:
    lines = ["- `/opt/ringwall`: Ringwall, of the version that made these files."]
    if machine.kong_runs_here:
        settings = ", ".join(f"`KONG_{name.upper()}`" for name in operator_settings(machine))
        lines += [
            f"- Kong {machine.kong.version}, in `/usr/local/bin/kong`. `{ETC}/kong.env`, root's, mode 0600: {settings}.",
            f"  Key files that these name must be readable by `{KONG_USER}`.",
            "- `/usr/local/bin/cloudflared`.",
        ]
    for member in machine.servers:
        if not member.command:
            place = f"`{member.url}`" if member.url else f"`{member.socket}`"
            lines.append(f"- `{STARTERS}/{member.stack}`: the program or script that starts {member.stack} at {place}.")
    return lines


def _secrets(machine: Machine) -> list[str]:
    lines = []
    for member in machine.members:
        lines += [f"- `{item.path}`: {item.purpose}." for item in member.bundle.provided]
        for secret in member.bundle.secrets:
            if secret.reader == "cloudflared" and not machine.kong_runs_here:
                continue
            if secret.reader == "cloudflared":
                lines.append(
                    f"- `{secret.reference.file}`, root's, mode 0600: {secret.purpose}. {_tunnel_advice(member)}"
                )
            elif secret.reader == "server":
                name = secret.purpose.removeprefix("the server's ")
                lines.append(f"- `{member.folder}/server.env`, root's, mode 0600: a line `{name}=…`.")
            elif secret.reference.file:
                lines.append(
                    f"- `{secret.reference.file}`, of `ringwall-{secret.reader}`, mode 0400: {secret.purpose}."
                )
    for reader in ("guard", "kong"):
        for name, purpose in machine.variables(reader).items():
            lines.append(f"- `{ETC}/{reader}.env`, root's, mode 0600: a line `{name}=…`, {purpose}.")
    return lines


def _tunnel_advice(member: HostMember) -> str:
    if member.bundle.cloudflared.mode == "local":
        return "`cloudflared tunnel token --cred-file FILE TUNNEL` writes it."
    return f"`cloudflared tunnel token TUNNEL` prints it; TUNNEL is `ringwall outputs {member.stack} tunnel_id`."


def _egress(machine: Machine) -> list[str]:
    rows = {
        (item.process, item.destination, item.purpose) for member in machine.members for item in member.bundle.egress
    }
    lines = ["## What must be reachable from here", "", "| Process | Destination | For |", "|---|---|---|"]
    lines += [f"| {process} | `{destination}` | {purpose} |" for process, destination, purpose in sorted(rows)]
    return [
        *lines,
        "",
        "Everything else may be closed in the host's firewall, and everything that comes in.",
    ]
