"""What Prometheus, or an agent that speaks its format, reads on a host."""

from __future__ import annotations

import json

from model.host_bundle import Listener
from operations.host.machine import Machine


def scrape_settings(machine: Machine) -> str:
    """The scrape configuration. Every target is on loopback, so the scraper runs on the host and sends on what it reads."""
    lines = [
        "# Metrics of this host, all on loopback: run the scraper here, and have it send on.",
        "scrape_configs:",
    ]
    guards = {member.stack: port for member in machine.members if (port := _admin_port(member.bundle.listeners))}
    lines += _job("ringwall-guard", guards)
    if machine.kong_runs_here:
        lines += _job("cloudflared", {member.stack: member.metrics for member in machine.members})
    return "\n".join(lines) + "\n"


def _admin_port(listeners: tuple[Listener, ...]) -> int | None:
    for item in listeners:
        if item.purpose == "readiness and metrics":
            return int(item.address.rpartition(":")[2])
    return None


def _job(name: str, targets: dict[str, int]) -> list[str]:
    lines = [f"  - job_name: {name}", "    static_configs:"]
    for stack, port in targets.items():
        lines += [f"      - targets: [{json.dumps(f'127.0.0.1:{port}')}]", f"        labels: {{server: {stack}}}"]
    return lines
