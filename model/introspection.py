"""How an issuer is asked about a token that is no JWT (RFC 7662)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model.base import Duration, HttpsUrl, Model, SecretRef, VaultReference, seconds
from model.origin_identity import Word
from model.problems import Wrong

#: Seconds that an answer may count for: as long as the guard remembers any caller, and so the longest that a token which
#: the issuer has withdrawn still opens a server.
LONGEST_CACHE = 60


def _short(value: str) -> str:
    if seconds(value) > LONGEST_CACHE:
        raise Wrong("is longer than 1m, for which a withdrawn token would still be taken", 'write "1m" or less')
    return value


Cache = Annotated[Duration, AfterValidator(_short)]


class IntrospectionClient(Model):
    """A client of the issuer's that may ask about tokens, as the guard has it."""

    endpoint: HttpsUrl = Field(description="Where the issuer is asked; pinned here, never taken from its metadata.")
    client_id: Word = Field(description="The client id there of whoever asks: Kong and the guard alike.")
    client_secret: SecretRef = Field(description="Where the guard's host finds the client's secret.")
    client_authentication: Literal["basic", "post"] = Field(
        "basic", description="How the secret is sent: HTTP Basic, or in the form (RFC 6749 section 2.3.1)."
    )
    cache: Cache = Field(
        "30s", description="How long an answer counts, at most 1m; a withdrawn token opens the server for that long."
    )


class Introspection(IntrospectionClient):
    """How an issuer is asked about each token (RFC 7662): by Kong, and by the guard again."""

    gateway_secret: VaultReference = Field(description="Gateway-side reference to the client's secret.")

    def for_guard(self) -> IntrospectionClient:
        """What the guard needs to know."""
        return IntrospectionClient.model_validate(self.model_dump(exclude={"gateway_secret"}))
