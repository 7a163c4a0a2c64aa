"""The stand-in of Kong answers what a real Kong 3.9.3 answered: every recorded exchange, replayed over HTTP.

The recordings lie beside the repository; where they do not, there is nothing to compare with.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.kong_gateway.configuration import (
    Configuration,
    Consumer,
    JwtCredential,
    KeyCredential,
    Plugin,
    Route,
    Service,
)
from tests.support.kong_gateway.server import KongGateway
from tests.support.token_issuer import private_key

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "kong-recordings.json"
HOST = "kong.example.com"
#: 14 s into a minute, as the recorded requests were: `RateLimit-Reset` then says the same.
NOW = 1_800_000_000 - 1_800_000_000 % 60 + 14


def scenarios() -> list[Any]:
    if not RECORDINGS.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="../shared is not here: no recordings of Kong"))]
    document = json.loads(RECORDINGS.read_text(encoding="utf-8"))
    return [pytest.param(scenario, id=scenario["name"]) for scenario in document["scenarios"]]


def recorded() -> list[dict[str, Any]]:
    document = json.loads(RECORDINGS.read_text(encoding="utf-8"))
    return [step for scenario in document["scenarios"] for step in scenario["steps"]]


def names(part: str) -> set[str]:
    """The headers that were recorded at all; whatever else a real answer held is unknown."""
    return {name for step in recorded() for name, _ in step["answer"].get(part, [])}


def told(name: str, username: str) -> str:
    """What the recorded Kong said to its upstream about one consumer."""
    for step in recorded():
        headers = dict(step["answer"].get("upstream_headers", []))
        if headers.get("x-consumer-username") == username:
            return str(headers[name])
    return "never told"


@dataclass
class Upstream:
    """The server behind: it answers `x-test-limit` as X-Kong-Limit, and the remainder that Kong told it."""

    requests: list[list[tuple[str, str]]] = field(default_factory=list)
    port: int = 0


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    state = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            state.requests.append([(name.lower(), value) for name, value in self.headers.items()])
            self.send_response(200)
            self.send_header("content-type", "application/json")
            for value in self.headers.get_all("x-test-limit", []):
                self.send_header("x-kong-limit", value)
            for value in self.headers.get_all("x-ratelimit-remaining-tokens", []):
                self.send_header("x-ratelimit-remaining-tokens", value)
            self.send_header("content-length", "11")
            self.end_headers()
            self.wfile.write(b'{"ok":true}')

        do_GET = do_POST = do_OPTIONS = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.port = server.server_port
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def pem() -> str:
    made = private_key("rsa", 0).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(made.decode())


def configuration(scenario: dict[str, Any], port: int) -> Configuration:
    def consumer(username: str, kid: str, *groups: str) -> Consumer:
        return Consumer(username, groups=groups, jwt=(JwtCredential(kid, pem()),), id=told("x-consumer-id", username))

    guard = Consumer(
        "guard",
        keys=(KeyCredential("inner", id=told("x-credential-identifier", "guard")),),
        id=told("x-consumer-id", "guard"),
    )
    return Configuration(
        (Service("s", (f"127.0.0.1:{port}",)),),
        (Route("s"),),
        tuple(Plugin(one["name"], one["config"], "s") for one in scenario["plugins"]),
        (consumer("access", "k1", "issuer"), consumer("outside", "k2"), consumer("stranger", "k3", "issuer"), guard),
    )


def token(asked: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()

    algorithm = asked.get("alg", "RS256")
    claims = {k: NOW + v[1] if isinstance(v, list) and v[:1] == ["now"] else v for k, v in asked["claims"].items()}
    header = {"alg": algorithm, **asked.get("header", {"kid": "k1"}), "typ": "JWT"}
    signed = f"{part(header)}.{part(claims)}"
    if algorithm == "RS256":
        key = private_key("rsa", 1 if asked.get("key") == "other" else 0)
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = b"" if algorithm == "none" else hmac.digest(pem().encode(), signed.encode(), "sha256")
    return f"{asked['prefix']}{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def request(step: dict[str, Any]) -> tuple[bytes, list[tuple[str, str]]]:
    """The bytes of a recorded request, and its headers as sent."""
    asked = step["request"]
    method, body = asked.get("method", "POST"), asked.get("body", "").encode()
    headers = [(name, value if isinstance(value, str) else token(value)) for name, value in asked.get("headers", [])]
    lines = [f"{method} /{asked.get('suffix', '')} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if asked.get("chunked"):
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif method == "POST" and not asked.get("no_length"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body, headers


def exchange(port: int, raw: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(raw)
        while part := connection.recv(65536):
            answer += part
    return answer


def read(answer: bytes) -> tuple[int, list[tuple[str, str]], str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
    return int(lines[0].split(" ")[1]), headers, body.decode()


def chosen(headers: list[tuple[str, str]], kept: set[str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in headers if name in kept)


@pytest.mark.parametrize("scenario", scenarios())
def test_every_recorded_exchange_is_answered_as_kong_did(scenario: dict[str, Any], upstream: Upstream) -> None:
    with KongGateway(configuration(scenario, upstream.port), clock=lambda: NOW) as gateway:
        for step in scenario["steps"]:
            expected, what = step["answer"], step["what"]
            sent, headers = request(step)
            upstream.requests.clear()
            status, got, body = read(exchange(gateway.port, sent))
            assert status == expected["status"], what
            assert bool(upstream.requests) is expected["upstream"], what
            if status == 100:
                # What the recording client read on is the answer itself; its dates and ids differ.
                assert body.splitlines()[0] == expected["body"].splitlines()[0], what
                inner = body[body.index("\r\n") + 2 :].partition("\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in inner[0].split("\r\n"))
                for name in ("Content-Type", "Content-Length", "Connection", "Server"):
                    assert f"{name}: {fields[name]}\r\n" in expected["body"], what
                assert inner[2].startswith(expected["body"].partition("\r\n\r\n")[2]), what
                continue
            made = dict(got).get("x-request-id")
            if made is not None and not any(name == "x-request-id" for name, _ in headers):
                # Made anew by each request: an id, and the same one for the upstream.
                assert UUID(made).version == 4, what
                assert ("x-request-id", made) in upstream.requests[0], what
                continue
            assert chosen(got, names("headers")) == sorted(map(tuple, expected["headers"])), what
            assert re.sub(r'"request_id":"[0-9a-f]{32}"', '"request_id":"…"', body) == expected["body"], what
            if expected["upstream"]:
                passed = [
                    (
                        name,
                        [value for sent_name, value in headers if sent_name == name]
                        if name == "x-assertion"
                        else value,
                    )
                    for name, value in map(tuple, expected["upstream_headers"])
                ]
                seen = [
                    (
                        name,
                        [value for other, value in upstream.requests[0] if other == name]
                        if name == "x-assertion"
                        else value,
                    )
                    for name, value in upstream.requests[0]
                    if name in names("upstream_headers") | {"x-secret", "apikey", "authorization"}
                ]
                assert sorted(map(str, seen)) == sorted(map(str, passed)), what


@pytest.mark.skipif(not RECORDINGS.is_file(), reason="../shared is not here: no recordings of Kong")
def test_all_recordings_are_replayed() -> None:
    assert len(recorded()) == 117
