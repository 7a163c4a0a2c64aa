"""A small Kong Admin API over real HTTP: consumers, their ACL groups and JWT credentials, as strict as Kong 3.9.3 is.

Empty `key` or `secret` is 400, an RS256 credential without a readable public key is 400, a taken `key` is 409 whichever
consumer has it, lists come in pages with `next` and `offset`.
"""

from __future__ import annotations

import itertools
import json
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass
class KongStandIn:
    """Its state, and a log of every request: ``(method, path, body)``."""

    version: str = "3.9.3"
    token: str | None = None
    page: int = 100
    #: Answer to the next requests of this method instead: method to status.
    fail: dict[str, int] = field(default_factory=dict)
    consumers: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Entries of ACL groups by id.
    acls: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[str, str, Any]] = field(default_factory=list)
    uri: str = ""

    def consumer(self, username: str) -> str:
        return self.consumers.setdefault(username, str(uuid.uuid4()))

    def credential(self, username: str, kid: str, pem: str, tags: list[str], **more: Any) -> str:
        """Put a credential there, as someone else would have."""
        body = {"key": kid, "secret": "s", "algorithm": "RS256", "rsa_public_key": pem, "tags": tags, **more}
        status, answer = self.create(self.consumer(username), body)
        assert status == 201, answer
        return str(answer["id"])

    def join(self, username: str, group: str) -> None:
        """Put a consumer into an ACL group."""
        id_ = str(uuid.uuid4())
        self.acls[id_] = {"id": id_, "group": group, "consumer": {"id": self.consumer(username)}, "tags": None}

    def group(self, name: str) -> list[str]:
        """Usernames of a group's consumers."""
        names = {id_: username for username, id_ in self.consumers.items()}
        return sorted(names[entry["consumer"]["id"]] for entry in self.acls.values() if entry["group"] == name)

    def kids(self, username: str) -> list[str]:
        consumer = self.consumers[username]
        return sorted(c["key"] for c in self.credentials.values() if c["consumer"]["id"] == consumer)

    def writes(self) -> list[tuple[str, str]]:
        """Method and `kid` of every write, in order of arrival."""
        result = []
        for method, path, body in self.log:
            if method == "POST":
                result.append((method, body["key"]))
            elif method in ("PATCH", "DELETE"):
                result.append((method, path.rsplit("/", 1)[1]))
        return result

    def handle(self, method: str, url: str, token: str | None, body: Any) -> tuple[int, Any]:
        parts = urlsplit(url)
        path = [unquote(part) for part in parts.path.strip("/").split("/")]
        self.log.append((method, parts.path, body))
        if self.token is not None and token != self.token:
            return 401, {"message": "Unauthorized"}
        if method in self.fail:
            return self.fail[method], {"message": "An unexpected error occurred"}
        if path == [""]:
            return 200, {"version": self.version, "tagline": "Welcome to kong"}
        offset = parse_qs(parts.query).get("offset", ["0"])[0]
        if path == ["acls"] and method == "GET":
            return 200, self.page_of(list(self.acls.values()), "/acls", offset)
        if path[0] != "consumers" or len(path) < 2:
            return 404, {"message": "Not found"}
        consumer = self.consumers.get(path[1], path[1] if path[1] in self.consumers.values() else None)
        if consumer is None:
            return 404, {"message": "Not found"}
        if len(path) == 2 and method == "GET":
            name = next(name for name, known in self.consumers.items() if known == consumer)
            return 200, {"id": consumer, "username": name, "custom_id": name, "tags": None}
        if path[2:] == ["jwt"]:
            if method == "POST":
                return self.create(consumer, body)
            mine = [c for c in self.credentials.values() if c["consumer"]["id"] == consumer]
            return 200, self.page_of(mine, f"/consumers/{consumer}/jwt", offset)
        if len(path) == 4 and path[2] == "acls" and method == "DELETE":
            if self.acls.get(path[3], {}).get("consumer") != {"id": consumer}:
                return 404, {"message": "Not found"}
            del self.acls[path[3]]
            return 204, None
        if len(path) == 4 and path[2] == "jwt":
            credential = self.credentials.get(path[3])
            if credential is None or credential["consumer"]["id"] != consumer:
                return 404, {"message": "Not found"}
            if method == "DELETE":
                del self.credentials[path[3]]
                return 204, None
            if method == "PATCH":
                problem = _schema_problem({**credential, **body})
                if problem:
                    return 400, _violation(problem)
                credential.update(body)
                return 200, credential
        return 405, {"message": "Method not allowed"}

    def create(self, consumer: str, body: dict[str, Any]) -> tuple[int, Any]:
        problem = _schema_problem(body)
        if problem:
            return 400, _violation(problem)
        if any(known["key"] == body["key"] for known in self.credentials.values()):
            return 409, {
                "message": f"UNIQUE violation detected on '{{key=\"{body['key']}\"}}'",
                "name": "unique constraint violation",
                "code": 5,
                "fields": {"key": body["key"]},
            }
        entity = {
            "id": str(uuid.uuid4()),
            "created_at": int(time.time()),
            "consumer": {"id": consumer},
            "tags": None,
            **body,
        }
        self.credentials[entity["id"]] = entity
        return 201, entity

    def page_of(self, entities: list[dict[str, Any]], path: str, offset: str) -> dict[str, Any]:
        start = int(offset)
        end = start + self.page
        answer: dict[str, Any] = {"data": entities[start:end], "next": None}
        if end < len(entities):
            answer |= {"next": f"{path}?offset={end}", "offset": str(end)}
        return answer


def _schema_problem(body: dict[str, Any]) -> str | None:
    for name in ("key", "secret"):
        if body.get(name) == "":
            return f"{name}: length must be at least 1"
    if body.get("algorithm", "HS256").startswith("RS"):
        try:
            load_pem_public_key(str(body.get("rsa_public_key")).encode())
        except ValueError:
            return "rsa_public_key: invalid key"
    return None


def _violation(problem: str) -> dict[str, Any]:
    return {"message": f"schema violation ({problem})", "name": "schema violation", "code": 2, "fields": {}}


@contextmanager
def kong_admin(stand_in: KongStandIn | None = None) -> Iterator[KongStandIn]:
    """Serve on loopback until the context ends."""
    kong = stand_in or KongStandIn()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(raw) if raw else None
            with lock:
                status, answer = kong.handle(self.command, self.path, self.headers.get("kong-admin-token"), body)
            out = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(Handler) as uri:
        kong.uri = uri
        yield kong


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class JwksStandIn:
    """An issuer's key endpoint. `body` is what it answers; the other fields make it misbehave."""

    body: bytes = b'{"keys": []}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: Set to let a held answer go on.
    release: threading.Event = field(default_factory=threading.Event)
    hold: bool = False
    endless: bool = False
    requests: int = 0
    sent: int = 0
    url: str = ""

    def publish(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": list(keys)}).encode()


@contextmanager
def jwks_server() -> Iterator[JwksStandIn]:
    issuer = JwksStandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests += 1
            if issuer.hold:
                issuer.release.wait(30)
                return
            self.send_response(issuer.status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            if not issuer.endless:
                self.send_header("content-length", str(len(issuer.body)))
            self.end_headers()
            try:
                if issuer.endless:
                    for _ in itertools.count():
                        issuer.sent += self.wfile.write(b" " * 65536)
                self.wfile.write(issuer.body)
            except (BrokenPipeError, ConnectionResetError):
                return  # the client hung up, as it should on an answer without an end

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(Handler) as uri:
        issuer.url = f"{uri}/certs"
        try:
            yield issuer
        finally:
            issuer.release.set()
