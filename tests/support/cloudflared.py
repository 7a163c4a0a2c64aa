"""A stand-in of cloudflared's own check of the Access assertion, on loopback in front of the gateway.

Written from cloudflare/cloudflared, ingress/middleware/jwtvalidator.go, and the verifier it uses, coreos/go-oidc,
oidc/verify.go: issuer, expiry, `nbf` when it is there (with five minutes of leeway), RS256, signature, then any of the
rule's audiences. No assertion and a wrong audience are 403, an assertion that does not verify is 502. `make cloudflared`
holds it to cloudflared's own code.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

NBF_LEEWAY = 300


class Invalid(Exception):
    """go-oidc returns an error: cloudflared answers 502."""


def _moment(value: Any) -> int:
    """`jsonTime`: a json.Number, which Go reads from a quoted number too; cut to whole seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Invalid("no time")
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        raise Invalid("no time") from None


def _audience(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid("audience")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{name} is no text")
    return value or ""


def verify(token: str, issuer: str, keys: list[dict[str, Any]], now: float) -> list[str]:
    """The token's audiences; raises Invalid."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Invalid("malformed")
    try:
        head, payload, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        header, claims = json.loads(head), json.loads(payload)
    except ValueError:
        raise Invalid("malformed") from None
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise Invalid("malformed")
    audience = _audience(claims["aud"]) if "aud" in claims else []
    _text(claims, "sub")
    # A missing `exp` is Go's zero time, long past.
    expires = _moment(claims["exp"]) if "exp" in claims else None
    if "iat" in claims:
        _moment(claims["iat"])
    if _text(claims, "iss") != issuer:
        raise Invalid("issuer")
    if expires is None or expires < now:
        raise Invalid("expired")
    if claims.get("nbf") is not None and now + NBF_LEEWAY < _moment(claims["nbf"]):
        raise Invalid("not yet")
    # go-jose understands one extension, `b64` (RFC 7797), and refuses every other that must be understood.
    if header.get("alg") != "RS256" or set(header.get("crit", ())) - {"b64"}:
        raise Invalid("algorithm")
    # go-jose: a token without `kid` is tried with every key.
    rsa, kid = jwt.get_algorithm_by_name("RS256"), header.get("kid", "")
    signed = token.rpartition(".")[0].encode()
    if any(rsa.verify(signed, jwt.PyJWK(key).key, signature) for key in keys if kid in ("", key["kid"])):
        return audience
    raise Invalid("signature")


@dataclass
class Cloudflared:
    """`rules`: host name to the audiences of its ingress rule; another name is 404. `gateway`: port behind.
    `refused` counts what ended here."""

    issuer: str
    keys: list[dict[str, Any]]
    rules: Mapping[str, list[str]]
    gateway: int
    refused: list[int] = field(default_factory=list)
    port: int = 0

    def judge(self, host: str, assertion: str) -> int | None:
        """The status to refuse with, or None."""
        if host not in self.rules:
            return 404
        if not assertion:
            return 403
        try:
            audience = verify(assertion, self.issuer, self.keys, time.time())
        except Invalid:
            return 502
        return None if set(audience) & set(self.rules[host]) else 403


@contextlib.contextmanager
def cloudflared(running: Cloudflared) -> Iterator[Cloudflared]:
    """Serve until the end of the block; `port` says where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            # http.Header.Get: the first of several.
            status = running.judge(self.headers.get("host", ""), self.headers.get("cf-access-jwt-assertion", ""))
            if status is not None:
                running.refused.append(status)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection("127.0.0.1", running.gateway, timeout=60)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body or None)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def end_headers(self) -> None:
            """One request a connection, which the client is told: it would send its next one into an ended connection."""
            self.send_header("connection", "close")
            super().end_headers()

        do_GET = do_POST = do_DELETE = do_OPTIONS = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    running.port = server.server_port
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
