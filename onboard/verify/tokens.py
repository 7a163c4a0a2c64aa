"""Tokens that must not open the door: forged, expired, and another server's. Each in every place a token travels in.

Genuine expired tokens and other servers' tokens cannot be made here; without one the check is skipped and says so.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboard.verify.client import Answer, Headers, NoAnswer
from onboard.verify.report import Result, passed, skipped
from onboard.verify.subject import Context, Door, Probe, attempt, judge_refusal

ASSERTION = "cf-access-jwt-assertion"
COOKIE = "CF_Authorization"
#: The audience of a forged token where the genuine one is not known here.
_MADE_UP = "0" * 64


def places(token: str) -> dict[str, Headers]:
    """Everywhere a token is looked for."""
    return {
        "as assertion": ((ASSERTION, token),),
        "as cookie": (("cookie", f"{COOKIE}={token}"),),
        "as bearer": (("authorization", f"Bearer {token}"),),
    }


async def _refused_everywhere(context: Context, door: Door, tokens: dict[str, str]) -> Result:
    attempts: dict[str, Answer | NoAnswer] = {}
    for kind, token in tokens.items():
        ways = places(token)
        if context.subject.mode == "external" and context.caller is not None and door == context.subject.doors[0]:
            # Access lets the caller through, so this one meets the gateway's and the guard's own check.
            ways["as bearer behind Access"] = (*context.caller.access, ("authorization", f"Bearer {token}"))
        for place, headers in ways.items():
            attempts[f"{kind} {place}".strip()] = await attempt(context.knock(door, headers))
    result = judge_refusal(context.subject, attempts)
    if result.outcome == "pass" and door.audience is None:
        return passed(f"{result.seen} (with a made-up audience: the genuine one is not known here)")
    return result


def _claims(context: Context, door: Door) -> dict[str, Any]:
    """What a genuine Access token of somebody admitted would say."""
    now = int(time.time())
    emails = [email for grant in context.subject.grants for email in grant.to.emails]
    return {
        "aud": [door.audience or _MADE_UP],
        "iss": context.subject.issuer,
        "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
        "email": emails[0] if emails else "somebody@example.com",
        "type": "app",
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 600,
        "country": "US",
    }


def _own_key(context: Context) -> rsa.RSAPrivateKey:
    key: rsa.RSAPrivateKey = context.cache.setdefault("own_key", rsa.generate_private_key(65537, 2048))
    return key


async def _genuine_keys(context: Context) -> list[dict[str, Any]]:
    """The issuer's published keys; empty when they cannot be had."""
    if "jwks" not in context.cache:
        found: list[dict[str, Any]] = []
        if context.client.allows(context.subject.jwks_uri) is None:
            answer = await attempt(context.client.send("GET", context.subject.jwks_uri))
            value = answer.json() if isinstance(answer, Answer) and answer.status == 200 else None
            keys = value.get("keys") if isinstance(value, dict) else None
            found = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
        context.cache["jwks"] = found
    keys_found: list[dict[str, Any]] = context.cache["jwks"]
    return keys_found


async def _kid(context: Context) -> str:
    """A key id the issuer really uses, so that the forgery reaches the signature check."""
    return next((k["kid"] for k in await _genuine_keys(context) if isinstance(k.get("kid"), str)), "forged")


async def self_signed(context: Context, door: Door) -> Result:
    key, kid, claims = _own_key(context), await _kid(context), _claims(context, door)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    tokens = {
        "self-signed": jwt.encode(claims, key, "RS256", headers={"kid": kid}),
        "with its own key inside": jwt.encode(claims, key, "RS256", headers={"kid": kid, "jwk": jwk}),
        "with a second kid in its claims": jwt.encode({**claims, "kid": kid}, key, "RS256", headers={"kid": "forged"}),
    }
    return await _refused_everywhere(context, door, tokens)


async def unsigned(context: Context, door: Door) -> Result:
    kid, claims = await _kid(context), _claims(context, door)
    tokens = {name: _unsigned({"alg": name, "kid": kid, "typ": "JWT"}, claims) for name in ("none", "None", "nOnE")}
    stripped = jwt.encode(claims, _own_key(context), "RS256", headers={"kid": kid}).rpartition(".")[0] + "."
    return await _refused_everywhere(context, door, {**tokens, "RS256 without its signature": stripped})


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


async def confused(context: Context, door: Door) -> Result:
    """HS256 with the public key's text as its secret (RFC 8725 section 2.1)."""
    for jwk in await _genuine_keys(context):
        if jwk.get("kty") != "RSA" or not isinstance(jwk.get("kid"), str):
            continue
        try:
            public = jwt.algorithms.RSAAlgorithm.from_jwk(jwk)
        except (ValueError, KeyError, TypeError, jwt.InvalidKeyError):
            continue
        if not isinstance(public, rsa.RSAPublicKey):
            continue
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return await _refused_everywhere(context, door, {"": _hs256(_claims(context, door), jwk["kid"], pem)})
    return skipped(f"the issuer's keys cannot be had from {context.subject.jwks_uri}")


def _hs256(claims: dict[str, Any], kid: str, secret: bytes) -> str:
    """By hand: pyjwt refuses to use a public key so."""
    text = _unsigned({"alg": "HS256", "kid": kid, "typ": "JWT"}, claims).removesuffix(".")
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def claims_of(token: str) -> dict[str, Any] | None:
    """The unverified claims of a JWT, None for an opaque token."""
    try:
        part = token.split(".")[1]
        value = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _audiences(claims: dict[str, Any]) -> list[Any]:
    found = claims.get("aud")
    return found if isinstance(found, list) else [found]


async def expired(context: Context, door: Door) -> Result:
    if context.expired is None:
        return skipped("no genuine expired token was given (--expired-token-file); one made here would be forged")
    claims = claims_of(context.expired)
    if claims is None or not isinstance(claims.get("exp"), int | float):
        return skipped(
            "the token in --expired-token-file is no JWT with a time of expiry, so refusing it proves nothing"
        )
    if claims["exp"] > time.time():
        return skipped("the token in --expired-token-file has not expired yet")
    if door.audience is not None and door.audience not in _audiences(claims):
        return skipped("the token in --expired-token-file is for another name, so it would be refused for that")
    return await _refused_everywhere(context, door, {"": context.expired})


async def sibling(context: Context, door: Door) -> Result:
    """Another server's genuine token of the same team: right issuer, right signature, wrong audience."""
    token, source = context.sibling, "--sibling-token-file"
    if token is None:
        token, source = await _exchanged(context)
    if token is None:
        return skipped(source)
    claims = claims_of(token)
    if claims is not None:
        if isinstance(claims.get("exp"), int | float) and claims["exp"] < time.time():
            return skipped(f"the token of {source} has expired, so it would be refused for that")
        if door.audience is not None and door.audience in _audiences(claims):
            return skipped(f"the token of {source} is this very server's")
    return await _refused_everywhere(context, door, {"": token})


async def _exchanged(context: Context) -> tuple[str | None, str]:
    """A sibling's token for the caller's service token (Access sets it as a cookie), and where it is from; else why
    there is none."""
    if "sibling" in context.cache:
        known: tuple[str | None, str] = context.cache["sibling"]
        return known
    found: tuple[str | None, str] = (None, "the environment has no other server; give --sibling-token-file")
    if context.subject.siblings and (context.caller is None or not context.caller.access):
        found = (None, "there is neither --sibling-token-file nor a service token to exchange at a sibling")
    elif context.caller is not None:
        for hostname in context.subject.siblings:
            answer = await attempt(context.client.send("GET", f"https://{hostname}/", headers=context.caller.access))
            token = answer.cookies.get(COOKIE) if isinstance(answer, Answer) else None
            if token:
                found = (token, hostname)
                break
            found = (None, f"{hostname} gave no token for this service token; give --sibling-token-file")
    context.cache["sibling"] = found
    return found


_PROTECT = "Access, gateway or guard takes tokens it must not: run `ringwall drift`, then `ringwall keys sync`"
PROBES = (
    Probe(
        "tokens.self-signed",
        "tokens with the right claims, signed by a key of ours",
        "401, 403 or the login",
        _PROTECT,
        self_signed,
    ),
    Probe("tokens.unsigned", "tokens with alg none, or no signature", "401, 403 or the login", _PROTECT, unsigned),
    Probe(
        "tokens.hs256-confusion",
        "a token signed by HS256 with the issuer's public key",
        "401, 403 or the login",
        _PROTECT,
        confused,
    ),
    Probe("tokens.expired", "a genuine token after its time", "401, 403 or the login", _PROTECT, expired),
    Probe(
        "tokens.sibling",
        "a genuine token of another server",
        "401, 403 or the login",
        "the audience is not checked: run `ringwall drift` on the gateway's identity check and the guard's bundle",
        sibling,
    ),
)
