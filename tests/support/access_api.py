"""The part of Cloudflare's Access API that ends sessions, over real HTTP on loopback, and strict about it.

Unknown paths, accounts and ids are 404, a missing or wrong token 403 as Cloudflare answers it, a body with other members
than documented 400. Lists come in pages of what `per_page` says.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.projects import ACCOUNT

TOKEN = "cfut_planted-0123456789-0123456789-0123456789"
SECRET = "cfast_planted-service-token-secret"
Reply = tuple[int, dict[str, str], Any]


@dataclass
class AccessApi:
    """Its state, and a log of every call: ``(method, path below the account, body)``."""

    applications: set[str] = field(default_factory=set)
    users: list[dict[str, Any]] = field(default_factory=list)
    #: By id: name, client_id, enabled.
    service_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Addresses and applications whose sessions were ended.
    ended: list[str] = field(default_factory=list)
    #: Statuses with headers that the next calls are answered with, whatever they ask.
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    log: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, target: str, authorization: str | None, body: Any) -> Reply:
        split = urlsplit(target)
        prefix = f"/client/v4/accounts/{ACCOUNT}/access"
        if self.faults:
            status, headers = self.faults.pop(0)
            return status, headers, _error(status, "try again later")
        if authorization != f"Bearer {TOKEN}":
            return 403, {}, _error(10000, "Authentication error")
        if not split.path.startswith(prefix + "/"):
            return 404, {}, _error(7003, "Could not route")
        path = split.path.removeprefix(prefix)
        self.log.append((method, path, body))
        return self._route(method, path, dict(parse_qsl(split.query)), body)

    def _route(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        if (method, path) == ("POST", "/organizations/revoke_user"):
            if not isinstance(body, dict) or set(body) != {"email"}:
                return 400, {}, _error(12130, "invalid body")
            self.ended.append(body["email"])
            return _good(True)
        if (method, path) == ("GET", "/users"):
            if not set(query) <= {"email", "name", "search", "page", "per_page"}:
                return 400, {}, _error(12130, "unknown query parameter")
            wanted = query.get("email")
            return _page([user for user in self.users if wanted is None or user["email"] == wanted], query)
        if (method, path) == ("GET", "/service_tokens"):
            shown = [{"id": one, **token} for one, token in self.service_tokens.items()]
            return _page(shown, query)
        if found := re.fullmatch(r"/apps/([^/]+)/revoke_tokens", path):
            if method != "POST" or found[1] not in self.applications or body is not None:
                return 404, {}, _error(11021, "access.api.error.unknown_application")
            self.ended.append(found[1])
            return _good({})
        if found := re.fullmatch(r"/service_tokens/([^/]+)", path):
            return self._update(method, found[1], body)
        return 404, {}, _error(7003, "Could not route")

    def _update(self, method: str, id_: str, body: Any) -> Reply:
        token = self.service_tokens.get(id_)
        if method != "PUT" or token is None:
            return 404, {}, _error(12135, "access.api.error.service_token_not_found")
        if not isinstance(body, dict) or set(body) != {"name", "enabled"} or body["name"] != token["name"]:
            return 400, {}, _error(12130, "invalid body")
        token["enabled"] = body["enabled"]
        return _good({"id": id_, **token})


def _good(result: Any, **more: Any) -> Reply:
    return 200, {}, {"success": True, "errors": [], "messages": [], "result": result, **more}


def _page(items: list[Any], query: dict[str, str]) -> Reply:
    page, size = int(query.get("page", "1")), int(query.get("per_page", "20"))
    info = {"page": page, "per_page": size, "total_count": len(items), "total_pages": -(-len(items) // size)}
    return _good(items[(page - 1) * size : page * size], result_info=info)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}


@contextmanager
def access_api(**state: Any) -> Iterator[AccessApi]:
    """The stand-in, serving until the end of the block; its `url` is what `cloudflare.api` says."""
    api = AccessApi(**state)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            status, headers, reply = api.answer(self.command, self.path, self.headers.get("authorization"), body)
            content = json.dumps(reply).encode()
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}/client/v4"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
