"""A scan of single ports, and what it says of one server."""

from __future__ import annotations

from typing import Any

from operations.scan.places import places
from operations.scan.report import ScannedServer, ScanReport
from operations.scan.scan import scan
from operations.sockets import all_listeners


def scan_ports(*numbers: int, **options: Any) -> ScanReport:
    """Scan these ports of this machine only: a test must not touch other processes on it."""
    return scan(places(all_listeners(), numbers), **{"timeout": 60, **options})


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def only(report: ScanReport) -> ScannedServer:
    (server,) = report.servers
    return server


def tools(server: ScannedServer) -> list[tuple[str, str]]:
    return [(tool.name, tool.risk) for tool in server.tools or ()]
