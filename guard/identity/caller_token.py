"""The short-lived token by which the server learns who calls, signed by the guard itself.

It is a statement of this guard's for this server alone, made anew for each message. The caller's own assertion is never
passed on: whoever has that is the caller (README, "No ring trusts the one before it").
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from guard.identity.principal import Principal
from guard.identity.signing_keys import IdentityKeys, SigningKey
from model.origin_identity import IdentityKey

#: Seconds that a token counts. A server allows some more for clocks that differ, as guard and server share a host.
LIFETIME = 60
#: A type of its own (RFC 8725 section 3.11): nobody takes this token for an access token.
TYPE = "ringwall-identity+jwt"
#: The `sub` of the guard's own requests, which read the server's lists. No principal has such an id.
OWN_SUBJECT = "guard"
#: Longest name and number of groups that are put into a token, so that it fits every server's headers.
MAX_NAME, MAX_GROUPS, MAX_GROUP_CHARACTERS = 512, 50, 2048


@dataclass(frozen=True, slots=True)
class TokenId:
    """Which token goes with a message: the key that signs it, and its id. The audit record holds both."""

    key: SigningKey
    jti: str

    def as_json(self) -> dict[str, str]:
        return {"key_id": self.key.kid, "jti": self.jti}


class CallerTokens:
    """Signs tokens about callers. `server` is the stack's name, such as dev.tickets; `clock` gives Unix seconds."""

    def __init__(self, keys: IdentityKeys, server: str, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._issuer, self._audience = f"ringwall/{server}", server
        self._clock = clock

    def pin(self, keys: Sequence[IdentityKey]) -> None:
        """Sign by these keys alone, if there are any; raises InputError as `IdentityKeys.pin`."""
        self._keys.pin(keys)

    def new_id(self) -> TokenId:
        """The id of a token that is yet to be signed."""
        return TokenId(self._keys.signing(), secrets.token_urlsafe(12))

    @property
    def key_id(self) -> str:
        """The id of the key that signs."""
        return self._keys.signing().kid

    def jwks(self) -> dict[str, Any]:
        return self._keys.jwks()

    def about_caller(
        self,
        id_: TokenId,
        principal: Principal,
        message: Mapping[str, str],
        groups: Sequence[str],
        incident: str | None,
    ) -> str:
        """The token of a caller's request. `message` says what it asks: its method, and the tool, prompt or resource."""
        claims: dict[str, Any] = {"sub": principal.id, "kind": principal.kind}
        if principal.kind == "person" and principal.email:
            claims["email"] = principal.email
        if principal.agent:
            claims["agent"] = principal.agent
        if principal.hosted_client:
            claims["hosted_client"] = principal.hosted_client
        if groups:
            claims["groups"] = _fitting(groups)
            if left_out := len(groups) - len(claims["groups"]):
                claims["groups_left_out"] = left_out
        claims |= {name: value for name, value in message.items() if len(value) <= MAX_NAME}
        if incident is not None:
            claims["incident"] = incident
        return self._sign(id_, claims, principal.expires)

    def about_guard(self, id_: TokenId) -> str:
        """The token of the guard's own request, which nobody asked for."""
        return self._sign(id_, {"sub": OWN_SUBJECT, "kind": "guard"}, float("inf"))

    def _sign(self, id_: TokenId, claims: dict[str, Any], until: float) -> str:
        moment = int(self._clock())
        expires = int(min(moment + LIFETIME, max(until, moment + 1)))
        times = {"iss": self._issuer, "aud": self._audience, "iat": moment, "exp": expires, "jti": id_.jti}
        return jwt.encode(
            {**times, **claims}, id_.key.private, algorithm="ES256", headers={"kid": id_.key.kid, "typ": TYPE}
        )


def _fitting(groups: Sequence[str]) -> list[str]:
    """The first groups that fit."""
    fitting: list[str] = []
    size = 0
    for group in groups[:MAX_GROUPS]:
        size += len(group)
        if size > MAX_GROUP_CHARACTERS:
            break
        fitting.append(group)
    return fitting
