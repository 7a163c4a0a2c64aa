"""An issuer of opaque tokens on loopback, as RFC 7662 has it, strict where that leaves a choice.

It takes POST alone, a form in which `token` stands once, and a client that shows its secret by HTTP Basic (section 2.1; RFC
6749 section 2.3.1) or in the form. Whoever shows none is 401 (section 2.3). A token that it does not know is `{"active":
false}` and nothing more (section 2.2).
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus

CLIENT, SECRET = "ringwall", "s3cret:of+the/client"


class IntrospectingIssuer:
    """Answers about `tokens`; `asked` holds the token of each question. `fault` is None, an HTTP status, or a whole body."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.fault: int | bytes | None = None
        self.headers: dict[str, str] = {}
        self.gate = threading.Event()
        self.gate.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                issuer._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.endpoint = f"{self.url}/introspect"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def give(self, token: str, **claims: Any) -> str:
        """Make `token` an active one; a claim that is None is left out."""
        self.tokens[token] = {"active": True, **{name: value for name, value in claims.items() if value is not None}}
        return token

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        form = parse_qs(handler.rfile.read(int(handler.headers["content-length"])).decode(), strict_parsing=True)
        self.gate.wait(30)
        status, document = self._judge(handler, form)
        body = json.dumps(document).encode()
        if isinstance(self.fault, int):
            status = self.fault
        elif self.fault is not None:
            body = self.fault
        handler.send_response(status)
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

    def _judge(self, handler: BaseHTTPRequestHandler, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        if handler.path != "/introspect" or handler.headers["content-type"] != "application/x-www-form-urlencoded":
            return 404, {}
        if _client(handler.headers.get("authorization"), form) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        if len(form.get("token", [])) != 1 or form.get("token_type_hint") not in (None, ["access_token"]):
            return 400, {"error": "invalid_request"}
        token = form["token"][0]
        self.asked.append(token)
        return 200, self.tokens.get(token, {"active": False})


def _client(authorization: str | None, form: dict[str, list[str]]) -> tuple[str, str] | None:
    if authorization is None:
        parts = (*form.get("client_id", [""]), *form.get("client_secret", [""]))
        return parts if len(parts) == 2 else None
    scheme, _, encoded = authorization.partition(" ")
    if scheme != "Basic" or "client_secret" in form:
        return None
    name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    return unquote_plus(name), unquote_plus(secret)
