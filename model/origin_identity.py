"""What a server is told about who calls, and how a caller's token becomes one for the server itself."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import HttpsUrl, Many, Model, SecretRef
from model.canonical import canonical_json
from model.problems import PATTERN_WORDS, Wrong

_COORDINATE = r"^[A-Za-z0-9_-]{43}$"
_WORD = r"^[\x21-\x7e]{1,1024}$"
_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]{1,256}$"
PATTERN_WORDS[_COORDINATE] = "43 characters of base64url"
PATTERN_WORDS[_WORD] = "visible ASCII without blanks"
Coordinate = Annotated[str, StringConstraints(pattern=_COORDINATE)]
Word = Annotated[str, StringConstraints(pattern=_WORD)]


def base64url(data: bytes) -> str:
    """Without padding, as JOSE has it (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def thumbprint(x: str, y: str) -> str:
    """The id of a P-256 key by its coordinates: its JWK thumbprint (RFC 7638)."""
    return base64url(hashlib.sha256(canonical_json({"crv": "P-256", "kty": "EC", "x": x, "y": y})).digest())


class IdentityKey(Model):
    """A public key of the guard's as a JWK (RFC 7517). `ringwall guard identity` prints it on the host."""

    kty: Literal["EC"] = Field("EC", description="Always EC.")
    crv: Literal["P-256"] = Field("P-256", description="Always P-256.")
    alg: Literal["ES256"] = Field("ES256", description="Always ES256.")
    use: Literal["sig"] = Field("sig", description="Always sig.")
    kid: Coordinate = Field(description="The key's thumbprint (RFC 7638).")
    x: Coordinate = Field(description="First coordinate.")
    y: Coordinate = Field(description="Second coordinate.")

    @model_validator(mode="after")
    def _named_by_its_thumbprint(self) -> Self:
        if self.kid != thumbprint(self.x, self.y):
            raise Wrong("is not this key's thumbprint", "copy the whole key from `ringwall guard identity`", ("kid",))
        return self


class TokenExchange(Model):
    """How the guard gets a token for the server in the caller's name: the server then acts as the caller."""

    grant: Literal["token-exchange", "jwt-bearer"] = Field(
        description="RFC 8693, or the assertion grant of RFC 7523 section 2.1."
    )
    token_endpoint: HttpsUrl = Field(description="Where the authorization server gives tokens.")
    client_id: Word = Field(description="The guard's own client id there.")
    client_secret: SecretRef = Field(description="Where the host finds its secret.")
    client_authentication: Literal["basic", "post"] = Field(
        "basic", description="How the secret is sent: HTTP Basic, or in the form (RFC 6749 section 2.3.1)."
    )
    audience: Word | None = Field(None, description="Name of the server there (RFC 8693).")
    resource: HttpsUrl | None = Field(None, description="URL of the server (RFC 8707).")
    scopes: Many[Annotated[str, StringConstraints(pattern=_SCOPE)]] = Field((), description="Scopes to ask for.")
    on_behalf_of: bool = Field(
        False, description="jwt-bearer: ask as Microsoft Entra's on-behalf-of flow (`requested_token_use`)."
    )
    own_requests: Literal["client-credentials", "none"] = Field(
        "client-credentials",
        description="How the guard itself reads the server's lists, for which nobody calls: by a token in its own name "
        "(RFC 6749 section 4.4), or by none.",
    )

    @model_validator(mode="after")
    def _names_the_server(self) -> Self:
        if not (self.audience or self.resource or self.scopes):
            raise Wrong(
                "names no server, so the token would be for anyone",
                "add audience, resource or scopes, as the issuer has it",
            )
        if self.on_behalf_of and self.grant != "jwt-bearer":
            raise Wrong("belongs to grant: jwt-bearer", "remove it, or change grant", ("on_behalf_of",))
        return self
