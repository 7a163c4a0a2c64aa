"""Serves a JSON API over real HTTP on a loopback port, one request at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Status, headers and document.
Reply = tuple[int, dict[str, str], Any]
#: Method, path with query, headers in small letters, document; None drops the connection.
Handle = Callable[[str, str, dict[str, str], Any], Reply | None]


@contextmanager
def json_api(handle: Handle) -> Iterator[str]:
    """Its address."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                reply = handle(self.command, self.path, headers, json.loads(content) if content else None)
            if reply is None:
                self.close_connection = True
                return
            status, more, document = reply
            payload = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(payload))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
