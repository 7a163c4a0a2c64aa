"""The MCP servers that the demo starts: the sandbox's ticket desk, and npm's reference server where Node is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sandbox
from cli import console
from model.errors import Unreachable

EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"


@contextlib.contextmanager
def tickets_server() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.mcp_server", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url.startswith("http://127.0.0.1:"):
            raise Unreachable("the demo's MCP server did not start; run `python -m sandbox.mcp_server` to see why")
        yield url
    finally:
        _stop(process)


@contextlib.contextmanager
def everything_server() -> Iterator[str | None]:
    """npm's reference server, or None with a word where Node is missing or the registry is out of reach."""
    npx = shutil.which("npx")
    if npx is None:
        console.note("skipped npm's server-everything: Node.js is not on this machine")
        yield None
        return
    port = _free_port()
    # It binds to all addresses and has no option for it; onboarding would rightly refuse that socket.
    loopback = Path(sandbox.__file__).with_name("loopback.cjs")
    process = subprocess.Popen(
        [npx, "--yes", EVERYTHING, "streamableHttp"],
        env={**os.environ, "PORT": str(port), "NODE_OPTIONS": f"--require {loopback}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        if _wait_for(port, process):
            yield url
        else:
            console.note("skipped npm's server-everything: it did not start (is the npm registry reachable?)")
            yield None
    finally:
        _stop(process, group=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[Any], seconds: float = 90) -> bool:
    console.note("starting npm's server-everything (the first time it is fetched from the npm registry)")
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.2)
    return False


def _stop(process: subprocess.Popen[Any], *, group: bool = False) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()
