"""The MCP servers that the demo starts: the ticket desk, and npm's reference server where Node is."""

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
from urllib.parse import urlsplit

import sandbox
from cli import console
from model.errors import Unreachable

EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"


class DeskServer:
    """The ticket desk's process, which can be replaced by its changed version on the same port."""

    def __init__(self) -> None:
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> str:
        """Start it on loopback; its URL.

        Raises:
            Unreachable: it did not start.
        """
        command = [sys.executable, "-m", "sandbox.demo_server", *options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace"
        )
        self.url = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not self.url.startswith("http://127.0.0.1:"):
            raise Unreachable("the demo's MCP server did not start; run `python -m sandbox.demo_server` to see why")
        return self.url

    def change(self) -> None:
        """Put the changed version where this one was."""
        port = str(urlsplit(self.url).port)
        self.stop()
        self.start("--changed", "--port", port)

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)


@contextlib.contextmanager
def desk_server() -> Iterator[DeskServer]:
    desk = DeskServer()
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()


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
        stop(process, group=True)


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


def stop(process: subprocess.Popen[Any], *, group: bool = False) -> None:
    """End a process (with `group` all of its group), by force after five seconds."""
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
