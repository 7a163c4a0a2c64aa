"""Probes with tokens that must be refused: forged, expired, and another server's, each in every place a token travels in.

Genuine expired tokens and other servers' tokens cannot be made here; without one the check is skipped with that reason.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from operations.verify.client import Headers, HttpResponse, NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, passed, skipped
from operations.verify.subject import PublicHostname, attempt, judge_refusal

ASSERTION = "cf-access-jwt-assertion"
COOKIE = "CF_Authorization"
#: The audience of a forged token where the genuine one is not known.
_FORGED_AUDIENCE = "0" * 64


@dataclass(frozen=True)
class Mint:
    """The claims of a genuine token of one issuer, and that issuer's published keys (none when they cannot be fetched)."""

    claims: dict[str, Any]
    keys_uri: str
    keys: list[dict[str, Any]]

    @property
    def kid(self) -> str:
        """A key id that the issuer really uses, so that the forgery reaches the signature check."""
        return next((key["kid"] for key in self.keys if isinstance(key.get("kid"), str)), "forged")


#: Makes forged tokens, by name, from the claims of a genuine one.
Forge = Callable[[Mint], dict[str, str]]


async def _forged(context: VerifyContext, door: PublicHostname, forge: Forge) -> ProbeResult:
    """Send forged tokens in every place.

    In mode external a bearer token is the external issuer's and an assertion is Access's. Each forgery imitates the issuer
    of its place, else it would be refused for its issuer alone.
    """
    access = await _mint(context, _access_claims(context, door), context.subject.jwks_uri)
    bearer = access
    if context.subject.external_issuer is not None and context.subject.external_jwks_uri is not None:
        bearer = await _mint(context, _bearer_claims(context), context.subject.external_jwks_uri)
    tokens, bearers = forge(access), forge(bearer)
    lacking = [mint.keys_uri for mint, forged in ((access, tokens), (bearer, bearers)) if not forged]
    if not tokens and not bearers:
        return skipped(f"the issuer's keys cannot be fetched from {lacking[0]}")
    result = await _refused_everywhere(context, door, tokens, bearers)
    if result.outcome == "pass" and lacking:
        return skipped(f"refused in part; an issuer's keys cannot be fetched from {lacking[0]}")
    if result.outcome == "pass" and door.audience is None:
        return passed(f"{result.observed} (with a made-up audience, as the genuine one is not known)")
    return result


async def _refused_everywhere(
    context: VerifyContext, door: PublicHostname, tokens: Mapping[str, str], bearers: Mapping[str, str]
) -> ProbeResult:
    """Send tokens in every place where a ring reads one.

    `tokens` go into the assertion header and the cookie, `bearers` into the Authorization header; both by name.
    """
    attempts: dict[str, HttpResponse | NoResponse] = {}
    carriers: list[tuple[str, Headers]] = []
    for kind, token in tokens.items():
        carriers.append((f"{kind} as assertion", ((ASSERTION, token),)))
        carriers.append((f"{kind} as cookie", (("cookie", f"{COOKIE}={token}"),)))
    for kind, token in bearers.items():
        bearer = ("authorization", f"Bearer {token}")
        carriers.append((f"{kind} as bearer", (bearer,)))
        if context.subject.mode == "external" and context.caller is not None and door == context.subject.doors[0]:
            # Access lets the caller through, so this request reaches the gateway's and the guard's own check.
            carriers.append((f"{kind} as bearer behind Access", (*context.caller.access, bearer)))
    for label, headers in carriers:
        attempts[label.strip()] = await attempt(context.send_initialize(door, headers))
    return judge_refusal(context.subject, attempts)


def _access_claims(context: VerifyContext, door: PublicHostname) -> dict[str, Any]:
    """The claims of a genuine Access token of an admitted person."""
    return _somebody(context) | {
        "aud": [door.audience or _FORGED_AUDIENCE],
        "iss": context.subject.issuer,
        "type": "app",
        "country": "US",
    }


def _bearer_claims(context: VerifyContext) -> dict[str, Any]:
    """The claims of a genuine access token of mode external."""
    scopes = {"scope": " ".join(context.subject.scopes)} if context.subject.scopes else {}
    return _somebody(context) | {"aud": [context.subject.resource], "iss": context.subject.external_issuer} | scopes


def _somebody(context: VerifyContext) -> dict[str, Any]:
    issued_at = int(time.time())
    emails = [email for grant in context.subject.grants for email in grant.to.emails]
    return {
        "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
        "email": emails[0] if emails else "somebody@example.com",
        "iat": issued_at - 10,
        "nbf": issued_at - 10,
        "exp": issued_at + 600,
    }


def _own_key(context: VerifyContext) -> rsa.RSAPrivateKey:
    key: rsa.RSAPrivateKey = context.cache.setdefault("own_key", rsa.generate_private_key(65537, 2048))
    return key


async def _mint(context: VerifyContext, claims: dict[str, Any], keys_uri: str) -> Mint:
    cached = f"jwks {keys_uri}"
    if cached not in context.cache:
        published: Any = None
        if context.client.allows(keys_uri) is None:
            answer = await attempt(context.client.send("GET", keys_uri))
            value = answer.json() if isinstance(answer, HttpResponse) and answer.status == 200 else None
            published = value.get("keys") if isinstance(value, dict) else None
        keys = published if isinstance(published, list) else []
        context.cache[cached] = [key for key in keys if isinstance(key, dict)]
    return Mint(claims, keys_uri, context.cache[cached])


async def self_signed(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    key = _own_key(context)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))

    def forge(mint: Mint) -> dict[str, str]:
        claims, kid = mint.claims, mint.kid
        return {
            "self-signed": jwt.encode(claims, key, "RS256", headers={"kid": kid}),
            "with its own key inside": jwt.encode(claims, key, "RS256", headers={"kid": kid, "jwk": jwk}),
            "with a second kid in its claims": jwt.encode(
                {**claims, "kid": kid}, key, "RS256", headers={"kid": "forged"}
            ),
        }

    return await _forged(context, door, forge)


async def unsigned(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    def forge(mint: Mint) -> dict[str, str]:
        head = {"kid": mint.kid, "typ": "JWT"}
        tokens = {name: _unsigned({"alg": name, **head}, mint.claims) for name in ("none", "None", "nOnE")}
        signed = jwt.encode(mint.claims, _own_key(context), "RS256", headers={"kid": mint.kid})
        return {**tokens, "RS256 without its signature": signed.rpartition(".")[0] + "."}

    return await _forged(context, door, forge)


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


async def confused(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """HS256 with the public key's text as its secret (RFC 8725 section 2.1)."""
    return await _forged(context, door, _confused)


def _confused(mint: Mint) -> dict[str, str]:
    for jwk in mint.keys:
        if jwk.get("kty") != "RSA" or not isinstance(jwk.get("kid"), str):
            continue
        try:
            public = jwt.algorithms.RSAAlgorithm.from_jwk(jwk)
        except (ValueError, KeyError, TypeError, jwt.InvalidKeyError):
            continue
        if isinstance(public, rsa.RSAPublicKey):
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return {"": _hs256(mint.claims, jwk["kid"], pem)}
    return {}


def _hs256(claims: dict[str, Any], kid: str, secret: bytes) -> str:
    """Sign by hand: pyjwt refuses to use a public key as an HMAC secret."""
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
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _for_this_server(context: VerifyContext, door: PublicHostname, claims: dict[str, Any]) -> bool:
    audiences = {door.audience, context.subject.resource if context.subject.mode == "external" else None} - {None}
    return any(audience in audiences for audience in _audiences(claims) if isinstance(audience, str))


def _of_another_issuer(context: VerifyContext, claims: dict[str, Any]) -> str | None:
    known = (context.subject.issuer, context.subject.external_issuer)
    return None if claims.get("iss") in known else "is of another issuer, so it would be refused for that"


async def expired(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    if context.expired is None:
        return skipped("no genuine expired token was given (--expired-token-file); one made here would be forged")
    claims = claims_of(context.expired)
    if claims is None or not isinstance(claims.get("exp"), int | float):
        return skipped(
            "the token in --expired-token-file is no JWT with a time of expiry, so refusing it proves nothing"
        )
    if claims["exp"] > time.time():
        return skipped("the token in --expired-token-file has not expired yet")
    if unlike := _of_another_issuer(context, claims):
        return skipped(f"the token in --expired-token-file {unlike}")
    if door.audience is None and context.subject.mode == "access":
        return skipped("the audience of this name is not known, so the token may be refused for that")
    if not _for_this_server(context, door, claims):
        return skipped("the token in --expired-token-file is for another name, so it would be refused for that")
    return await _refused_everywhere(context, door, {"": context.expired}, {"": context.expired})


async def sibling(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """Send another server's genuine token of the same team: right issuer, right signature, wrong audience."""
    token, source = context.sibling, "--sibling-token-file"
    if token is None:
        token, source = await _exchanged(context)
    if token is None:
        return skipped(source)
    claims = claims_of(token)
    if claims is None:
        return skipped(f"the token of {source} is no JWT, so refusing it proves nothing")
    if isinstance(claims.get("exp"), int | float) and claims["exp"] < time.time():
        return skipped(f"the token of {source} has expired, so it would be refused for that")
    if unlike := _of_another_issuer(context, claims):
        return skipped(f"the token of {source} {unlike}")
    if _for_this_server(context, door, claims):
        return skipped(f"the token of {source} is for this server itself")
    return await _refused_everywhere(context, door, {"": token}, {"": token})


async def _exchanged(context: VerifyContext) -> tuple[str | None, str]:
    """Exchange the caller's service token for a sibling's token, which Access sets as a cookie.

    Returns the token and the host name it is from, or None and the reason why there is none.
    """
    if "sibling" in context.cache:
        known: tuple[str | None, str] = context.cache["sibling"]
        return known
    exchanged: tuple[str | None, str] = (None, "the environment has no other server; give --sibling-token-file")
    if context.subject.siblings and (context.caller is None or not context.caller.access):
        exchanged = (
            None,
            "no sibling token was given (--sibling-token-file), and no service token to exchange for one",
        )
    elif context.caller is not None:
        for hostname in context.subject.siblings:
            answer = await attempt(context.client.send("GET", f"https://{hostname}/", headers=context.caller.access))
            token = answer.cookies.get(COOKIE) if isinstance(answer, HttpResponse) else None
            if token:
                exchanged = (token, hostname)
                break
            exchanged = (None, f"{hostname} returned no token for this service token; give --sibling-token-file")
    context.cache["sibling"] = exchanged
    return exchanged


_PROTECT = (
    "Access, gateway or guard accepts tokens that it must refuse: run `ringwall drift`, then `ringwall keys sync`"
)
PROBES = (
    Probe(
        "tokens.self-signed",
        "tokens with the right claims, signed by a key that Ringwall made",
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
    Probe("tokens.expired", "a genuine token that has expired", "401, 403 or the login", _PROTECT, expired),
    Probe(
        "tokens.sibling",
        "a genuine token of another server",
        "401, 403 or the login",
        "the audience is not checked: run `ringwall drift` on the gateway's identity check and the guard's bundle",
        sibling,
    ),
)
