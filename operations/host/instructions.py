"""The README of a host's files: what the operator provides, in the order it is done."""

from __future__ import annotations

from collections.abc import Sequence

from operations.host.machine import Machine
from operations.host.needs import needs_of
from operations.host.systemd import started_units


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
        *(f"- {need.text}" for need in needs_of(machine)),
        "",
        "## Start",
        "",
        *(f"    systemctl enable --now {name}" for name in units),
        "",
        "`ringwall host check` with `--placed /` says what is not as it is written here.",
        "",
        "To undo: `systemctl disable --now` for the same units, `systemctl stop 'ringwall-*'` for what these started, then",
        "`./install.sh --undo` and `systemctl daemon-reload`.",
        "",
        *_declared(machine, "`./install.sh`, `systemctl reload ringwall-kong`"),
        *_egress(machine),
    ]
    return "\n".join(lines) + "\n"


def container_readme(
    machine: Machine, start: Sequence[str], secrets: Sequence[str], remarks: Sequence[str], *, renewal: str
) -> str:
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
        *_declared(machine, renewal),
        *remarks,
        *_egress(machine),
    ]
    return "\n".join(lines) + "\n"


def _declared(machine: Machine, renewal: str) -> list[str]:
    """What is to be done where Kong reads a file, which no command changes from afar."""
    if machine.declared is None:
        return []
    return [
        "## Change the gateway",
        "",
        "Kong takes everything from `kong.yml`: no `ringwall up` or `keys sync` reaches it, and `ringwall lockdown` closes",
        "the edge alone. Render again with `--db-less` after each `up`, and at least every hour: Cloudflare changes",
        f"its signing keys, and a gateway without the new one lets nobody in. Then run {renewal}.",
        "",
    ]


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
