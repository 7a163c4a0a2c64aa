"""The one table of the tokens that each issuer documents: every stand-in that mints, mints from it.

A claim that a page does not name is in no row: a stand-in that added `nbf` to service tokens once hid that Kong refused
every agent. `source` is where the claims are written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Claims = dict[str, Any]

_PAGES = "https://developers.cloudflare.com/cloudflare-one/access-controls/"
_APPLICATION_TOKEN = _PAGES + "applications/http-apps/authorization-cookie/application-token/"
SUBJECT = "7335d417-61da-459d-899c-0a01c76a2f94"
EMAIL = "kari@example.com"
CLIENT_ID = "e3678.access"
LIFETIME = 600


def _person(issuer: str, audience: str, now: int) -> Claims:
    return {
        "aud": [audience],
        "email": EMAIL,
        "exp": now + LIFETIME,
        "iat": now,
        "nbf": now,
        "iss": issuer,
        "type": "app",
        "identity_nonce": "6ei69kawdKzMIAPF",
        "sub": SUBJECT,
        "country": "NO",
    }


def _service_token(issuer: str, audience: str, now: int) -> Claims:
    return {
        "type": "app",
        "aud": [audience],
        "exp": now + LIFETIME,
        "iss": issuer,
        "common_name": CLIENT_ID,
        "iat": now,
        "sub": "",
    }


def _external(issuer: str, audience: str, now: int) -> Claims:
    return {
        "iss": issuer,
        "exp": now + LIFETIME,
        "aud": audience,
        "iat": now,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile",
    }


def _external_person(issuer: str, audience: str, now: int) -> Claims:
    return _external(issuer, audience, now) | {"sub": "5ba552d67", "email": EMAIL}


def _external_agent(issuer: str, audience: str, now: int) -> Claims:
    # Section 2.2: where no resource owner takes part, `sub` identifies the client.
    return _external(issuer, audience, now) | {"sub": "s6BhdRkqt3"}


@dataclass(frozen=True)
class IssuedToken:
    """A kind of token: where its claims are documented, its `typ`, and its claims for one audience at one moment."""

    source: str
    build: Callable[[str, str, int], Claims]
    typ: str = "JWT"

    def claims(self, issuer: str, audience: str, now: int | None = None, **changes: Any) -> Claims:
        """Its claims as documented, then `changes`; None takes a claim away."""
        made = self.build(issuer, audience, int(time.time()) if now is None else now) | changes
        return {name: value for name, value in made.items() if value is not None}


PERSON = IssuedToken(_APPLICATION_TOKEN + "#identity-based-authentication", _person)
SERVICE_TOKEN = IssuedToken(_APPLICATION_TOKEN + "#service-token-authentication", _service_token)
#: A hosted client holds an opaque access token; what the origin gets is the person's own application token.
HOSTED_CLIENT = IssuedToken(_PAGES + "applications/http-apps/managed-oauth/", _person)
#: A person's token for one application, forwarded to another. Its `aud` is the first one's, and no stack of Ringwall
#: links applications: it opens nothing.
LINKED_APP = IssuedToken(_PAGES + "applications/linked-app-token/", _person)
EXTERNAL_PERSON = IssuedToken("RFC 9068, section 2.2; email: section 2.2.2", _external_person, "at+jwt")
EXTERNAL_AGENT = IssuedToken("RFC 9068, section 2.2", _external_agent, "at+jwt")

TABLE = {
    "person": PERSON,
    "service token": SERVICE_TOKEN,
    "hosted client's person": HOSTED_CLIENT,
    "linked app": LINKED_APP,
    "external person": EXTERNAL_PERSON,
    "external agent": EXTERNAL_AGENT,
}
