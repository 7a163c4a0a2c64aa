"""An issuer of opaque tokens on loopback, as RFC 7662 has it, strict where that leaves a choice.

It takes POST alone, a form in which `token` stands once, and a client that shows its secret by HTTP Basic (section 2.1; RFC
6749 section 2.3.1) or in the form. Whoever shows none is 401 (section 2.3). A token that it does not know is `{"active":
false}` and nothing more (section 2.2).
"""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from tests.support.loopback_issuer import LoopbackIssuer

CLIENT, SECRET = "ringwall", "s3cret:of+the/client"


class IntrospectingIssuer(LoopbackIssuer):
    """Answers about `tokens`; `asked` holds the token of each question."""

    VERB = "POST"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.endpoint = f"{self.url}/introspect"

    def give(self, token: str, **claims: Any) -> str:
        """Make `token` an active one; a claim that is None is left out."""
        self.tokens[token] = {"active": True, **{name: value for name, value in claims.items() if value is not None}}
        return token

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, Any]]:
        form = parse_qs(body.decode(), strict_parsing=True)
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
