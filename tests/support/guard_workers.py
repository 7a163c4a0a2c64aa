"""`ringwall guard run --workers` before a given server: signed as an operator signs, and asked over connections of its own
for each request, which the kernel spreads over the workers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.files import worker_log
from guard.bundle.bundle import render, sign
from guard.bundle.keys import create_key_pair, load_private_key
from model.guard_config import GuardConfig
from tests.support.guard_process import COMMAND, end
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port
from tests.support.waiting import eventually

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@dataclass
class WorkingGuard:
    """A running guard with workers."""

    config: GuardConfig
    folder: Path
    key: Ed25519PrivateKey
    process: subprocess.Popen[bytes]
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        listen = self.config.listen
        return f"{'https' if listen.tls_certificate else 'http'}://{listen.address}:{listen.port}/mcp"

    @property
    def said(self) -> str:
        return (self.folder / "guard.log").read_text(errors="replace")

    def write(self, sequence: int, denied: tuple[str, ...] = (), **changes: Any) -> None:
        """Sign a bundle, put it there in one step, and have the guard look at once."""
        _write(self.folder, self.config.model_copy(update=changes), sequence, denied, self.key)
        self.process.send_signal(signal.SIGHUP)

    async def post(self, message: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
        """One message over a new connection."""
        return await self.client.post(self.url, json=message, headers={**JSON, **(headers or {})})

    async def modern(self, method: str, params: dict[str, Any]) -> httpx.Response:
        """One request of the 2026 era over a new connection."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
        if "name" in params:
            headers["mcp-name"] = params["name"]
        return await self.post(message, headers)

    async def call(self, name: str, **arguments: Any) -> Any:
        """What a call of the 2026 era is answered."""
        answer = await self.modern("tools/call", {"name": name, "arguments": arguments})
        return answer.json().get("result") or answer.json()

    async def initialize(self, capabilities: dict[str, Any] | None = None) -> str:
        """Begin a session; its id."""
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities or {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        answer = await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        assert answer.status_code == 200, answer.text
        return answer.headers["mcp-session-id"]

    async def in_session(self, session: str, method: str, **params: Any) -> httpx.Response:
        """One request of the session over a new connection."""
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        return await self.post(message, {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"})

    async def ready(self) -> dict[str, Any]:
        """What /readyz says; nothing while nobody answers there."""
        with contextlib.suppress(httpx.TransportError):
            return dict((await self.client.get(f"http://127.0.0.1:{self.config.admin_port}/readyz")).json())
        return {}

    async def metrics(self) -> list[str]:
        text = (await self.client.get(f"http://127.0.0.1:{self.config.admin_port}/metrics")).text
        return text.splitlines()

    async def pids(self) -> dict[int, int]:
        """The process of each worker."""
        return {worker["worker"]: worker["pid"] for worker in (await self.ready())["workers"]}

    def log(self, worker: int) -> Path:
        return worker_log(Path(self.config.audit.path), worker)

    def records(self, worker: int, kind: str = "decision") -> list[dict[str, Any]]:
        # A line that is being written has no end yet.
        lines = self.log(worker).read_text().rpartition("\n")[0].splitlines()
        return [record for line in lines if (record := json.loads(line))["kind"] == kind]


def _write(folder: Path, config: GuardConfig, sequence: int, denied: tuple[str, ...], key: Ed25519PrivateKey) -> None:
    staged = folder / "staged.json"
    staged.write_text(render(sign(config, sequence=sequence, denied=denied, key=key)))
    staged.replace(folder / "bundle.json")


@contextlib.asynccontextmanager
async def guard_workers(
    folder: Path, config: GuardConfig, workers: int = 2, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WorkingGuard]:
    """The guard, once every worker serves and has read the server's lists. `tls` is its client's side of TLS."""
    private, public, _ = create_key_pair(folder / "keys")
    key = load_private_key(private)
    config = config.model_copy(update={"admin_port": free_port()})
    _write(folder, config, 1, (), key)
    options = ["--config", str(folder / "bundle.json"), "--public-key", str(public), "--state", str(folder / "state")]
    with (folder / "guard.log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, *options, "--workers", str(workers), "--poll", "1h"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NO_COLOR": "1"},
            start_new_session=True,
        )
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False, verify=tls or NO_AUTHORITIES) as client:
        guard = WorkingGuard(config, folder, key, process, client)
        try:

            async def is_ready() -> bool:
                assert process.poll() is None, guard.said
                return bool((await guard.ready()).get("ready"))

            await eventually(is_ready, "every worker serves")
            yield guard
        finally:
            await asyncio.to_thread(end, process)
