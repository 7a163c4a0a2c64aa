"""A Kong 3.9 gateway over real HTTP: the part of the Admin API that closes routes, and a proxy whose workers take changes
over one after the other, as `worker_state_update_frequency` lets them.

Strict: a plugin's config has only the phases of pre-function's schema, arrays of text; a route that does not exist is 400,
another plugin of that name on the same route 409 (a plugin is unique by name and scope); lists come in pages.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.kong_admin import serving
from tests.support.kong_lua_runtime import Kong

PHASES = ("certificate", "rewrite", "access", "header_filter", "body_filter", "log")


@dataclass
class KongGateway:
    """`lags` are the workers: seconds after a change until each of them has it."""

    lags: tuple[float, ...] = (0.0,)
    frequency: float = 0.2
    page: int = 3
    token: str | None = None
    routes: dict[str, dict[str, Any]] = field(default_factory=dict)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: As /clustering/data-planes shows them; None: this is no control plane.
    planes: list[dict[str, Any]] | None = None
    #: Called after a change, as a control plane sends it to its data planes.
    on_change: Any = None
    changes: list[tuple[float, dict[str, dict[str, Any]]]] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    proxied: int = 0
    admin: str = ""
    proxy_port: int = 0

    def route(self, name: str, hostname: str, path: str, *tags: str) -> str:
        id_ = f"route-{len(self.routes)}"
        self.routes[id_] = {"id": id_, "name": name, "hosts": [hostname], "paths": [path], "tags": list(tags)}
        return id_

    def handle(self, method: str, url: str, token: str | None, body: Any) -> tuple[int, Any]:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.log.append((method, parts.path))
        if self.token is not None and token != self.token:
            return 401, {"message": "Unauthorized"}
        if parts.path == "/":
            return 200, {"version": "3.9.3", "configuration": {"worker_state_update_frequency": self.frequency}}
        if parts.path == "/clustering/data-planes":
            if self.planes is None:
                return 400, {
                    "message": "this endpoint is only available when Kong is configured to run as Control Plane"
                }
            return 200, self._listed(self.planes, query)
        kind, _, id_ = parts.path.strip("/").partition("/")
        if kind == "routes" and method == "GET":
            if not id_:
                return 200, self._listed([*self.routes.values()], query)
            found = next((one for one in self.routes.values() if id_ in (one["id"], one["name"])), None)
            return (200, found) if found else (404, {"message": "Not found"})
        if kind == "plugins" and method == "GET" and not id_:
            return 200, self._listed([*self.plugins.values()], query)
        if kind == "plugins" and method == "PUT":
            return self._put(id_, body)
        if kind == "plugins" and method == "DELETE":
            self.plugins.pop(id_, None)
            self._changed()
            return 204, None
        return 404, {"message": "Not found"}

    def _listed(self, items: list[Any], query: dict[str, str]) -> dict[str, Any]:
        chosen = [one for one in items if "tags" not in query or query["tags"] in (one.get("tags") or ())]
        start = int(query.get("offset", 0))
        end = start + self.page
        return {"data": chosen[start:end], "next": None, **({"offset": str(end)} if end < len(chosen) else {})}

    def _put(self, id_: str, body: Any) -> tuple[int, Any]:
        config = body.get("config", {})
        if body.get("name") != "pre-function" or not set(body) <= {"name", "config", "enabled", "tags", "route"}:
            return 400, {"message": "schema violation"}
        if not set(config) <= set(PHASES) or not all(
            isinstance(one, str) for lines in config.values() for one in lines
        ):
            return 400, {"message": "schema violation (config: unknown field)"}
        if set(body["route"]) != {"id"} or body["route"]["id"] not in self.routes:
            return 400, {"message": "the foreign key does not reference an existing 'routes' entity."}
        for other, plugin in self.plugins.items():
            if other != id_ and (plugin["name"], plugin["route"]) == (body["name"], body["route"]):
                return 409, {"message": "UNIQUE violation detected"}
        filled = {**{phase: [] for phase in PHASES}, **config}
        self.plugins[id_] = {"id": id_, "protocols": ["http"], "service": None, **body, "config": filled}
        self._changed()
        return 200, self.plugins[id_]

    def _changed(self) -> None:
        self.changes.append((time.monotonic(), dict(self.plugins)))
        if self.on_change is not None:
            self.on_change()

    def answer(self, hostname: str, path: str) -> tuple[int, dict[str, str], dict[str, str]]:
        """What the worker that got this connection says: as much as it has taken over of what is configured."""
        worker = self.lags[self.proxied % len(self.lags)]
        self.proxied += 1
        taken = [held for at, held in self.changes if time.monotonic() - at >= worker]
        plugins = taken[-1] if taken else {}
        route = next((one for one in self.routes.values() if hostname in one["hosts"] and path in one["paths"]), None)
        if route is None:
            return 404, {}, {"message": "no Route matched with those values"}
        for plugin in plugins.values():
            if plugin["enabled"] and plugin["route"]["id"] == route["id"]:
                outcome = Kong(host=hostname, path=path).run(plugin["config"]["access"][0])
                return outcome.status or 500, outcome.response_headers, {"message": outcome.message or ""}
        return 401, {}, {"message": "Unauthorized"}


@contextmanager
def kong_gateway(gateway: KongGateway) -> Iterator[KongGateway]:
    """Its Admin API and its proxy, serving until the end of the block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def read(self) -> Any:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            return json.loads(raw) if raw else None

        def reply(self, status: int, headers: dict[str, str], document: Any) -> None:
            out = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json; charset=utf-8"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Admin(Handler):
        def _answer(self) -> None:
            body = self.read()
            with lock:
                status, answer = gateway.handle(self.command, self.path, self.headers.get("kong-admin-token"), body)
            self.reply(status, {}, answer)

        do_GET = do_PUT = do_DELETE = _answer

    class Proxy(Handler):
        def do_POST(self) -> None:
            self.read()
            with lock:
                status, headers, answer = gateway.answer(self.headers.get("host", ""), urlsplit(self.path).path)
            self.reply(status, headers, answer)

    with serving(Admin) as admin, serving(Proxy) as proxy:
        gateway.admin, gateway.proxy_port = admin, int(proxy.rpartition(":")[2])
        yield gateway
