"""A server that hands out one bundle, and who takes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from guard.bundle.bundle import OpenedBundle
from guard.bundle.source import BundleSource
from tests.guard.bundle.test_bundle import KEYS


@dataclass
class Desk:
    """A real HTTP server that hands out one document, and what it was asked."""

    url: str = ""
    body: bytes = b""
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    cut: int = 0
    seen: list[tuple[dict[str, str], int]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Desk]:
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {key.lower(): value for key, value in self.headers.items()}
            code = 304 if desk.etag and asked.get("if-none-match") == desk.etag else desk.code
            desk.seen.append((asked, code))
            body = b"" if code == 304 else desk.body
            self.send_response(code)
            for name, value in desk.headers.items():
                self.send_header(name, value)
            if desk.etag:
                self.send_header("ETag", desk.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) - desk.cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    desk.url = f"http://127.0.0.1:{server.server_address[1]}/one.json"
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Guard:
    """Stands where the service stands: takes bundles, or fails to."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.fails: Exception | None = None

    async def __call__(self, opened: OpenedBundle) -> None:
        if self.fails is not None:
            raise self.fails
        self.applied.append(opened.bundle.sequence)


async def started(location: str, state: Path, **options: Any) -> BundleSource:
    source = BundleSource(location, KEYS, state, **options)
    await source.load_first()
    return source
