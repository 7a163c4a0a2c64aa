"""The demo's first step: the server as people find it, and what `ringwall scan` says about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.demo_stage import Stage
from model.errors import RingwallError
from sandbox.own_network import NO_NETWORK

#: Exit code of `ringwall scan` where somebody beyond this machine may call a server.
_EXPOSED = 3
#: Exit code of unshare(1) where this user may have no namespace.
_REFUSED = 1


@dataclass(frozen=True)
class DemoFinding:
    """What the scan says of the demo's server. `exposed`: it is bound to every address of a network of its own."""

    exposed: bool
    exit_code: int
    place: str
    name: str
    danger: str
    executes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def scan_server(stage: Stage, url: str, folder: Path) -> DemoFinding:
    """Scan the server on 0.0.0.0 in a network of its own; where the system grants none, the one at `url` on loopback.

    Raises:
        RingwallError: the scan does not find a server that runs commands.
    """
    finding = _in_own_network(stage, folder)
    if finding is None:
        place = url.removeprefix("http://").partition("/")[0]
        finding = _finding(stage.ringwall("scan", place, "--json", in_project=False), 0)
    if finding.executes != ("execute_command",):
        raise RingwallError(f"the scan does not say that {finding.place} runs commands")
    return finding


def _in_own_network(stage: Stage, folder: Path) -> DemoFinding | None:
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    scan = [sys.executable, "-m", "cli.main", "scan", "--json"]
    namespaces = ("--map-root-user", "--net", "--pid", "--fork", "--kill-child")
    command = [unshare, *namespaces, "--", sys.executable, "-m", "sandbox.own_network", *scan]
    began = time.monotonic()
    with stage.running(" ".join(command), label="ringwall scan") as out:
        process = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=120
        )
        print(process.stdout + process.stderr)
    if process.returncode in (_REFUSED, NO_NETWORK):
        return None
    stage.note_command("scan", began, process.returncode)
    if process.returncode != _EXPOSED:
        raise RingwallError(
            f"the scan of a server on 0.0.0.0 ended with exit code {process.returncode}: {out.getvalue()}"
        )
    return _finding(process.stdout, process.returncode)


def _finding(text: str, code: int) -> DemoFinding:
    servers = json.loads(text)["servers"]
    if len(servers) != 1:
        raise RingwallError(f"the scan finds {len(servers)} servers where one is")
    (server,) = servers
    exposed = server["state"] == "exposed"
    if exposed != (code == _EXPOSED):
        raise RingwallError(f"the scan calls the server {server['state']} and ends with exit code {code}")
    place = ", ".join(f"{address}:{server['port']}" for address in server["addresses"])
    executes = tuple(tool["name"] for tool in server["tools"] or () if tool["risk"] == "execute")
    return DemoFinding(exposed, code, place, f"{server['name']} {server['server_version']}", server["danger"], executes)
