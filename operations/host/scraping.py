"""What Prometheus, or an agent that speaks its format, reads on a host."""

from __future__ import annotations

import json

from model.host_bundle import GATEWAY_METRICS, Listener
from operations.host.machine import Machine


def scrape_settings(machine: Machine) -> str:
    """The scrape configuration. Every target is on loopback, so the scraper runs on the host and sends on what it reads."""
    lines = [
        "# Metrics of this host, all on loopback: run the scraper here, and have it send on.",
        "scrape_configs:",
    ]
    guards = {member.stack: port for member in machine.members if (port := _admin_port(member.bundle.listeners))}
    lines += _job("ringwall-guard", guards) if guards else []
    if machine.kong_runs_here:
        listeners = (item for member in machine.members for item in member.bundle.listeners)
        served = sorted({_port(item) for item in listeners if item.purpose == GATEWAY_METRICS})
        lines += _job("kong", dict.fromkeys([machine.name], served[0]), label="host") if served else []
        lines += _job("cloudflared", {member.stack: member.metrics for member in machine.members})
    return "\n".join(lines) + "\n"


def _admin_port(listeners: tuple[Listener, ...]) -> int | None:
    for item in listeners:
        if item.purpose == "readiness and metrics":
            return _port(item)
    return None


def _port(item: Listener) -> int:
    return int(item.address.rpartition(":")[2])


def _job(name: str, targets: dict[str, int], *, label: str = "server") -> list[str]:
    lines = [f"  - job_name: {name}", "    static_configs:"]
    for stack, port in targets.items():
        lines += [f"      - targets: [{json.dumps(f'127.0.0.1:{port}')}]", f"        labels: {{{label}: {stack}}}"]
    return lines
