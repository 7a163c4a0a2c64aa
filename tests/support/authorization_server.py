"""A token endpoint that gives tokens in a caller's name, written from the RFCs and strict where they leave a choice.

RFC 6749 sections 2.3.1 (client authentication), 3.2 (no parameter twice), 4.4, 5.1, 5.2; RFC 8693 sections 2.1 to 2.2.2;
RFC 7523 sections 2.1 and 3; the on-behalf-of page of Microsoft Entra ("OAuth2.0 On-Behalf-Of flow") for
`requested_token_use` and for whom an assertion is: the client itself. It verifies subject tokens by their issuer's key.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus

import jwt

from tests.support.token_issuer import TokenIssuer, private_key

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Refused(Exception):
    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


@dataclass
class AuthorizationServer:
    """`given` is every token with its subject (the client's own is the client id); `asked` every form that arrived."""

    subjects: TokenIssuer
    #: `aud` of subject tokens: the MCP server, which this client stands for.
    subject_audience: str
    target: str
    client_id: str = "guard:dev%raw"
    secret: str = "planted+client/secret%=="
    lifetime: int | None = 600
    given: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    #: Stands in place of the next answers: status, headers, body.
    fault: tuple[int, dict[str, str], Any] | None = None
    gate: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        server = self
        self.gate.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.gate.wait(30)
                status, headers, document = server.answer(dict(self.headers.items()), body.decode())
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", "cache-control": "no-store", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], Any]:
        pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True)
        form = dict(pairs)
        self.asked.append(form)
        if self.fault is not None:
            return self.fault
        try:
            lower = {name.lower(): value for name, value in headers.items()}
            if len(form) != len(pairs) or lower.get("content-type") != "application/x-www-form-urlencoded":
                raise Refused("invalid_request")
            self._authenticate(lower.get("authorization"), form)
            subject = self._subject(form)
        except Refused as refused:
            challenge = {"www-authenticate": "Basic"} if refused.status == 401 else {}
            return refused.status, challenge, {"error": refused.error, "error_description": "do not show this"}
        token = secrets.token_urlsafe(24)
        self.given[token] = subject
        document: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
        if self.lifetime is not None:
            document["expires_in"] = self.lifetime
        if form["grant_type"] == EXCHANGE:
            document["issued_token_type"] = ACCESS_TOKEN
        return 200, {}, document

    def _authenticate(self, header: str | None, form: dict[str, str]) -> None:
        in_form = "client_secret" in form
        if in_form == (header is not None):
            raise Refused("invalid_client", 401)  # one method, and one alone
        if header is not None:
            scheme, _, encoded = header.partition(" ")
            name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
            if scheme != "Basic" or (unquote_plus(name), unquote_plus(secret)) != (self.client_id, self.secret):
                raise Refused("invalid_client", 401)
        elif (form.get("client_id"), form["client_secret"]) != (self.client_id, self.secret):
            raise Refused("invalid_client", 401)

    def _subject(self, form: dict[str, str]) -> str:
        if form.get("audience") != self.target:
            raise Refused("invalid_target")
        if form.get("grant_type") == "client_credentials":
            return self.client_id
        if form.get("grant_type") == EXCHANGE:
            if form.get("subject_token_type") != ACCESS_TOKEN or form.get("requested_token_type") not in (
                None,
                ACCESS_TOKEN,
            ):
                raise Refused("invalid_request")
            return self._verified(form.get("subject_token", ""), "invalid_request")
        if form.get("grant_type") == ASSERTION:
            if form.get("requested_token_use") != "on_behalf_of":
                raise Refused("invalid_request")
            return self._verified(form.get("assertion", ""), "invalid_grant")
        raise Refused("unsupported_grant_type")

    def _verified(self, token: str, error: str) -> str:
        try:
            claims = jwt.decode(
                token,
                private_key("rsa", 0).public_key(),
                algorithms=["RS256"],
                audience=self.subject_audience,
                issuer=self.subjects.url,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError:
            raise Refused(error) from None
        return str(claims["sub"])
