"""The part of Cloudflare's Access API that closes servers and ends sessions, over real HTTP on loopback, strict about it.

Unknown paths, accounts and ids are 404, a missing or wrong token 403 as Cloudflare answers it, a body with other members
than documented 400. Lists come in pages of what `per_page` says.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.projects import ACCOUNT, ZONE

_POLICY = {"name", "decision", "include", "exclude", "require", "session_duration"}

TOKEN = "cfut_planted-0123456789-0123456789-0123456789"
SECRET = "cfast_planted-service-token-secret"
Reply = tuple[int, dict[str, str], Any]


@dataclass
class AccessApi:
    """Its state, and a log of every call: ``(method, path below the account, body)``."""

    #: By id, as the API shows them.
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Reusable policies by id.
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Names of the zone's DNS records.
    records: list[str] = field(default_factory=list)
    #: Seconds before each answer to a write.
    delay: float = 0
    #: How many writes were under way at the same time, at most.
    most_at_once: int = 0
    #: Ids of applications whose change is refused.
    refused: set[str] = field(default_factory=set)
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
        if split.path == f"/client/v4/zones/{ZONE}/dns_records" and method == "GET":
            query = dict(parse_qsl(split.query))
            return _page([{"name": name} for name in self.records if query.get("name") in (None, name)], query)
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
        if (method, path) == ("GET", "/apps"):
            return _page([self._shown(id_) for id_ in self.applications], query)
        if (method, path) == ("GET", "/policies"):
            return _page([{"id": id_, **one} for id_, one in self.policies.items()], query)
        if (method, path) == ("POST", "/policies"):
            return self._make_policy(body)
        if found := re.fullmatch(r"/policies/([^/]+)", path):
            used = any(found[1] in one["policies"] for one in self.applications.values())
            if method != "DELETE" or found[1] not in self.policies or used:
                return 409, {}, _error(12130, "access.api.error.policy_in_use")
            del self.policies[found[1]]
            return _good({"id": found[1]})
        if found := re.fullmatch(r"/apps/([^/]+)", path):
            return self._change(method, found[1], body)
        if found := re.fullmatch(r"/apps/([^/]+)/revoke_tokens", path):
            if method != "POST" or found[1] not in self.applications or body is not None:
                return 404, {}, _error(11021, "access.api.error.unknown_application")
            self.ended.append(found[1])
            return _good({})
        if found := re.fullmatch(r"/service_tokens/([^/]+)", path):
            return self._update(method, found[1], body)
        return 404, {}, _error(7003, "Could not route")

    def application(self, name: str, hostname: str, *policies: str) -> str:
        """An application as the engine made it, with that many reusable policies."""
        id_ = f"app-{len(self.applications)}"
        for policy in policies:
            self.policies.setdefault(policy, {"name": policy, "decision": "allow", "include": [{"email": {}}]})
        self.applications[id_] = {
            "name": name,
            "type": "self_hosted",
            "aud": f"aud-{id_}",
            "created_at": "2026-01-01T00:00:00Z",
            "domain": hostname,
            "destinations": [{"type": "public", "uri": hostname}],
            "session_duration": "1h",
            "allowed_idps": ["okta"],
            "oauth_configuration": {"enabled": True},
            "policies": list(policies),
        }
        self.records.append(hostname)
        return id_

    def _shown(self, id_: str) -> dict[str, Any]:
        held = self.applications[id_]
        policies = [{"id": one, "precedence": n, **self.policies[one]} for n, one in enumerate(held["policies"], 1)]
        return {"id": id_, **held, "policies": policies}

    def _make_policy(self, body: Any) -> Reply:
        if not isinstance(body, dict) or not {"name", "decision", "include"} <= set(body) <= _POLICY:
            return 400, {}, _error(12130, "access.api.error.invalid_request")
        id_ = f"policy-{len(self.policies)}"
        self.policies[id_] = dict(body)
        return _good({"id": id_, "reusable": True, **body})

    def _change(self, method: str, id_: str, body: Any) -> Reply:
        """A PUT is the whole application: what it leaves out is gone, and what the API sets itself is refused."""
        held = self.applications.get(id_)
        if method != "PUT" or held is None:
            return 404, {}, _error(11021, "access.api.error.unknown_application")
        if id_ in self.refused:
            return 400, {}, _error(12130, "access.api.error.invalid_request")
        if not isinstance(body, dict) or not {"type", "name"} <= set(body) or set(body) & {"id", "aud", "created_at"}:
            return 400, {}, _error(12130, "access.api.error.invalid_request")
        ids = [one["id"] for one in body.get("policies", ())]
        if any(one not in self.policies for one in ids):
            return 400, {}, _error(12130, "access.api.error.unknown_policy")
        self.applications[id_] = {**body, "aud": held["aud"], "created_at": held["created_at"], "policies": ids}
        return _good(self._shown(id_))

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
    lock, busy = threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            with lock:
                busy[0] += self.command != "GET"
                api.most_at_once = max(api.most_at_once, busy[0])
            if self.command != "GET":
                time.sleep(api.delay)
            with lock:
                status, headers, reply = api.answer(self.command, self.path, self.headers.get("authorization"), body)
                busy[0] -= self.command != "GET"
            content = json.dumps(reply).encode()
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

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
