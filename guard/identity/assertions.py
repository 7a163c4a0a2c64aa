"""Verifies one signed token: signature, issuer and times. `verifier` judges principal and audience.

This follows RFC 8725 (JWT best current practices): algorithms are chosen here and not by the token, keys come from the
pinned JWKS only, and every claim that decides something must have exactly its documented type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jwt

from guard.decide.reasons import TokenFault
from guard.identity.keys import IssuerKeys, UnknownKey
from model.json import parse_json
from model.tokens import CLOCK_LEEWAY, LATEST_MOMENT, REFUSED_HEADERS, TYPES
from wire.jwks import ALGORITHMS

MAX_BYTES = 16 * 1024
_REFUSED = frozenset(REFUSED_HEADERS)
_COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_JWS = jwt.PyJWS(algorithms=list(ALGORITHMS))


class BadToken(Exception):
    """The token is refused. `fault` holds nothing of the token itself."""

    def __init__(self, fault: TokenFault) -> None:
        self.fault = fault
        super().__init__(fault)


async def verify(token: bytes, keys: IssuerKeys, issuer: str, unix_time: float) -> dict[str, Any]:
    """The token's claims, verified at `unix_time` (seconds). `exp` and `iat` are present and finite numbers, as is `nbf` if
    present.

    Raises BadToken, or KeysUnavailable when there are no keys of the issuer to verify with.
    """
    if len(token) > MAX_BYTES:
        raise BadToken(TokenFault.TOO_LARGE)
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise BadToken(TokenFault.MALFORMED)
    header = _object(parts[1])
    if _REFUSED & header.keys():
        raise BadToken(TokenFault.HEADER_REFUSED)
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise BadToken(TokenFault.ALGORITHM_REFUSED)
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise BadToken(TokenFault.WRONG_TYPE)
    if not isinstance(kid, str) or not kid:
        raise BadToken(TokenFault.NO_KEY_ID)
    try:
        key = await keys.key(kid, algorithm)
        _JWS.decode_complete(token, key, algorithms=[algorithm])
    except UnknownKey:
        raise BadToken(TokenFault.UNKNOWN_KEY) from None
    except (jwt.PyJWTError, ValueError):
        raise BadToken(TokenFault.BAD_SIGNATURE) from None
    claims = _object(parts[2])
    _check(claims, issuer, unix_time)
    return claims


def _check(claims: Mapping[str, Any], issuer: str, unix_time: float) -> None:
    # Kong's jwt plugin lets a payload `kid` override the header's (run on 3.9.3): guard and gateway would use two keys.
    if "kid" in claims:
        raise BadToken(TokenFault.KEY_ID_IN_PAYLOAD)
    if claims.get("iss") != issuer:
        raise BadToken(TokenFault.WRONG_ISSUER)
    _moment(claims, "iat")
    check_times(claims, unix_time)


def check_times(claims: Mapping[str, Any], unix_time: float) -> None:
    """Refuse a token without an end, and outside its time at `unix_time` (seconds); raises BadToken."""
    expires = _moment(claims, "exp")
    if "nbf" in claims and _moment(claims, "nbf") > unix_time + CLOCK_LEEWAY:
        raise BadToken(TokenFault.NOT_YET_VALID)
    issued = _moment(claims, "iat") if "iat" in claims else None
    if issued is not None and issued > unix_time + CLOCK_LEEWAY:
        raise BadToken(TokenFault.ISSUED_IN_FUTURE)
    # Without leeway, as Kong in front of the guard has none either: what a token allowed ends with it.
    if expires <= unix_time:
        raise BadToken(TokenFault.EXPIRED)
    if issued is not None and expires <= issued:
        raise BadToken(TokenFault.BAD_TIMES)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST_MOMENT:
        raise BadToken(TokenFault.BAD_TIMES)
    return float(value)


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = parse_json(jwt.utils.base64url_decode(part))
    except ValueError:
        raise BadToken(TokenFault.MALFORMED) from None
    if not isinstance(value, dict):
        raise BadToken(TokenFault.MALFORMED)
    return value


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """`aud` as a tuple: a string or a list of strings (RFC 7519 section 4.1.3); anything else raises BadToken."""
    value = claims.get("aud")
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadToken(TokenFault.WRONG_AUDIENCE)
    return tuple(value)


def text(claims: Mapping[str, Any], name: str) -> str | None:
    """The claim if it is a string that is not empty."""
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
