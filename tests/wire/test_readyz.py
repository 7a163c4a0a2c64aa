"""The guard's /readyz: whoever answers otherwise is no guard, and nobody reads it by a rule of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wire.readyz import MAX_BYTES, NotAGuard, ReadyzClient, Silent

ROOT = Path(__file__).parents[2]
STATE = {"ready": False, "server": "dev.one", "bundle": {"sha256": "sha256:0"}, "denied": [], "problems": ["draining"]}


@contextmanager
def answering(body: bytes, status: int = 200, **headers: str) -> Iterator[str]:
    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Guard)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("status", [200, 503])
def test_a_guard_says_what_is_in_force_ready_or_not(status: int) -> None:
    with answering(json.dumps(STATE).encode(), status) as base, ReadyzClient(base + "/") as guard:
        assert guard.read() == STATE
        assert guard.read() == STATE


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (json.dumps(STATE).encode(), 404),
        (json.dumps(STATE).encode(), 302),
        (b"<html>", 200),
        (b"[]", 200),
        (json.dumps({**STATE, "ready": "yes"}).encode(), 200),
        (json.dumps({**STATE, "bundle": None}).encode(), 200),
        (json.dumps({**STATE, "denied": 5}).encode(), 200),
        (json.dumps(STATE).encode()[:-1] + b', "ready": true}', 200),
        (json.dumps(STATE).encode() + b" " * MAX_BYTES, 200),
    ],
)
def test_any_other_answer_is_no_guards(body: bytes, status: int) -> None:
    with (
        answering(body, status) as base,
        ReadyzClient(base) as guard,
        pytest.raises(NotAGuard, match="not as a guard does"),
    ):
        guard.read()


def test_nobody_there_is_told_from_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"") as base:
        pass
    with ReadyzClient(base) as guard, pytest.raises(Silent, match="does not answer"):
        guard.read()


def test_no_proxy_hears_of_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(json.dumps(STATE).encode()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with ReadyzClient("http://guard.invalid") as guard, pytest.raises(Silent):
            guard.read()


def test_nobody_else_asks_for_it() -> None:
    """But a command that is shown to a person."""
    asking: dict[str, Any] = {}
    for folder in ("cli", "engine", "operations", "plan", "wire"):
        for file in (ROOT / folder).rglob("*.py"):
            lines = [line for line in file.read_text().splitlines() if "/readyz`" not in line and "curl" not in line]
            if any('}/readyz"' in line for line in lines):
                asking[str(file.relative_to(ROOT))] = True
    assert list(asking) == ["wire/readyz.py"]
