"""The reference server of the MCP project, a legacy-era server written with another SDK, onboarded for real."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from guard.probe.probe import probe
from model.server import Origin
from model.tool_lock import from_text, to_yaml
from operations.onboard.lock import build_lock, compare
from operations.sockets import exposure

PACKAGE = "@modelcontextprotocol/server-everything@2026.8.31"


def installed(folder: Path) -> Path:
    """The server's script, installed by npm into `folder` unless it is there already."""
    script = folder / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), PACKAGE]
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"npm could not fetch server-everything, which was not checked: {reason}")
    return script


def test_everything_server_is_found_exposed_probed_and_locked() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node is not here: onboarding npm's server-everything was not checked")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringwall-tests" / "server-everything"
    script = installed(cache)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", str(script), "streamableHttp"],
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert any(f"listening on port {port}" in line for line in process.stderr)
        listener = exposure(port)
        offer = probe(Origin(url=f"http://127.0.0.1:{port}/mcp"))
    finally:
        process.kill()
        process.communicate()
    assert (listener.state, listener.pid) == ("exposed", process.pid)
    assert offer.protocol_version == "2025-11-25"
    lock = build_lock(offer)
    assert {"echo", "get-sum", "get-env"} <= {tool.name for tool in lock.tools}
    assert "execution" in offer.tools[0]
    assert lock.prompts
    assert lock.resources
    assert lock.resource_templates
    parsed = from_text(to_yaml(lock), Path("dev.everything.lock.yaml"))
    assert compare(parsed, build_lock(offer)) == ()
