"""What every issuer on loopback has: its server, the faults that an issuer can have, and a gate that holds answers back."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


class LoopbackIssuer:
    """Serves while the context lasts. `fault` is None, an HTTP status, or a whole body in place of the answer."""

    VERB: ClassVar[str]

    def __init__(self) -> None:
        self.fault: int | bytes | None = None
        self.headers: dict[str, str] = {}
        self.gate = threading.Event()
        self.gate.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer._serve(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        """Status and document of an answer without a fault."""
        raise NotImplementedError

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        request = handler.rfile.read(int(handler.headers["content-length"] or 0))
        right = handler.command == self.VERB
        status, document = self.answer(handler, request) if right else (405, {})
        self.gate.wait(30)
        body = self.fault if isinstance(self.fault, bytes) else json.dumps(document).encode()
        handler.send_response(self.fault if isinstance(self.fault, int) else status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **self.headers,
        }.items():
            handler.send_header(name, value)
        # A client that has read enough hangs up.
        with contextlib.suppress(ConnectionError):
            handler.end_headers()
            handler.wfile.write(body)
