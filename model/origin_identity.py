"""What a server is told about who calls."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import Model
from model.canonical import canonical_json
from model.problems import PATTERN_WORDS, Wrong

_COORDINATE = r"^[A-Za-z0-9_-]{43}$"
PATTERN_WORDS[_COORDINATE] = "43 characters of base64url"
Coordinate = Annotated[str, StringConstraints(pattern=_COORDINATE)]


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
