"""One signed token, verified: signature, issuer and time. Who it names and for whom it is meant is decided elsewhere.

After RFC 8725 (JWT best current practices): algorithms are chosen here and not by the token, keys come from the pinned
JWKS only, and every claim that decides something must have exactly its type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jwt

from guard.identity.keys import KeySet, UnknownKey
from model.tokens import CLOCK_LEEWAY, LATEST_MOMENT, REFUSED_HEADERS, TYPES
from model.tool_lock import parse_json
from wire.jwks import ALGORITHMS

MAX_BYTES = 16 * 1024
_REFUSED = frozenset(REFUSED_HEADERS)
_COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_JWS = jwt.PyJWS(algorithms=list(ALGORITHMS))


class BadToken(Exception):
    """`reason` is a stable code; nothing of the token is in it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


async def verify(token: bytes, keys: KeySet, issuer: str, now: float) -> dict[str, Any]:
    """The token's claims. `exp` and `iat` are there and are real numbers, as is `nbf` where it is given.

    `now` is Unix seconds. Raises BadToken, or KeysUnavailable when the issuer's keys cannot be had.
    """
    if len(token) > MAX_BYTES:
        raise BadToken("too_large")
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise BadToken("malformed")
    header = _object(parts[1])
    if _REFUSED & header.keys():
        raise BadToken("header_refused")
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise BadToken("algorithm_refused")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise BadToken("wrong_type")
    if not isinstance(kid, str) or not kid:
        raise BadToken("no_key_id")
    try:
        key = await keys.key(kid, algorithm)
        _JWS.decode_complete(token, key, algorithms=[algorithm])
    except UnknownKey:
        raise BadToken("unknown_key") from None
    except (jwt.PyJWTError, ValueError):
        raise BadToken("bad_signature") from None
    claims = _object(parts[2])
    _check(claims, issuer, now)
    return claims


def _check(claims: Mapping[str, Any], issuer: str, now: float) -> None:
    # Kong's jwt plugin lets a payload `kid` override the header's (run on 3.9.3), so such a token is two tokens.
    if "kid" in claims:
        raise BadToken("key_id_in_payload")
    if claims.get("iss") != issuer:
        raise BadToken("wrong_issuer")
    expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
    if "nbf" in claims and _moment(claims, "nbf") > now + CLOCK_LEEWAY:
        raise BadToken("not_yet_valid")
    if issued > now + CLOCK_LEEWAY:
        raise BadToken("issued_in_future")
    # To the second: Kong before us allows nothing either, and what a token allowed ends with it.
    if expires <= now:
        raise BadToken("expired")
    if expires <= issued:
        raise BadToken("bad_times")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST_MOMENT:
        raise BadToken("bad_times")
    return float(value)


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = parse_json(jwt.utils.base64url_decode(part))
    except ValueError:
        raise BadToken("malformed") from None
    if not isinstance(value, dict):
        raise BadToken("malformed")
    return value


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """`aud` as a tuple: a string or a list of strings (RFC 7519 section 4.1.3); anything else raises BadToken."""
    value = claims.get("aud")
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadToken("wrong_audience")
    return tuple(value)


def text(claims: Mapping[str, Any], name: str) -> str | None:
    """The claim if it is a string that is not empty."""
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
