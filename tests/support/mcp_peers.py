"""Real servers for the probe: the demo server in a process of its own, and scripted ones for what the SDK cannot say."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

Answer = Callable[[dict[str, Any]], dict[str, Any]]
LEGACY = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
    "serverInfo": {"name": "old", "version": "0.9"},
    "instructions": "Be gentle.",
}
MODERN = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "ttlMs": 0,
    "cacheScope": "private",
    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "new", "version": "3"}},
}


class Peer:
    """A scripted MCP endpoint on loopback: `answers` by method; a missing one is -32601, a `status` refuses all."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.errors: dict[str, dict[str, Any]] = {}
        #: The id under which a request's id is answered.
        self.id_of: Callable[[Any], Any] = lambda id_: id_
        self.paths: list[str] = []
        #: The path where it answers; any other is redirected there.
        self.moved: str | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.raw: bytes | None = None
        self.sse = False
        self.seen: list[str] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                peer.seen.append(body["method"])
                peer.paths.append(self.path)
                if peer.moved not in (None, self.path):
                    self.send_response(307)
                    self.send_header("location", str(peer.moved))
                    self.send_header("content-length", "0")
                    self.end_headers()
                elif "id" not in body:
                    self._send(202, b"", "text/plain")
                elif peer.status != 200 or peer.raw is not None:
                    self._send(peer.status, peer.raw or b"no", "text/html")
                else:
                    payload = json.dumps({"jsonrpc": "2.0", "id": peer.id_of(body["id"]), **peer.reply(body)}).encode()
                    if peer.sse:
                        self._send(200, b"event: message\ndata: " + payload + b"\n\n", "text/event-stream")
                    else:
                        self._send(200, payload, "application/json")

            def do_GET(self) -> None:
                self._send(405, b"", "text/plain")

            do_DELETE = do_GET

            def _send(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                for name, value in {"content-type": kind, "content-length": str(len(body)), **peer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/mcp"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["method"] in self.errors:
            return {"error": self.errors[body["method"]]}
        answer = self.answers.get(body["method"])
        if answer is None:
            return {"error": {"code": -32601, "message": "Method not found"}}
        return {"result": answer(body.get("params") or {}) if callable(answer) else answer}

    @contextmanager
    def running(self) -> Iterator[Peer]:
        self.thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A legacy server (2025-06-18) with one tool; each test alters what it needs."""
    one = Peer()
    one.answers = {
        "initialize": LEGACY,
        "tools/list": {"tools": [{"name": "list_notes", "inputSchema": {"type": "object"}}]},
        "prompts/list": {"prompts": []},
        "resources/list": {"resources": []},
        "resources/templates/list": {"resourceTemplates": []},
    }
    with one.running():
        yield one


@pytest.fixture
def modern(peer: Peer) -> Peer:
    """A stateless server of 2026-07-28."""
    tools = {"tools": [{"name": "list_notes", "inputSchema": {"type": "object"}}]}
    peer.answers = {
        "server/discover": MODERN,
        "tools/list": {**tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"},
    }
    return peer


@contextmanager
def demo(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The demo server in its own process, ended by SIGTERM; yields what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.mcp_server", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(90)
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="session")
def desk() -> Iterator[str]:
    """URL of the demo server."""
    with demo() as (url, _):
        yield url


@pytest.fixture
def start_demo() -> Callable[..., Any]:
    return demo
