"""An issuer's JWKS (RFC 7517): how it is fetched, and which of its keys may verify a token.

The guard trusts exactly the keys that Kong is given: those that `read_key_set` returns. So no key is accepted by one ring
and refused by the other. Only keys that can do nothing but verify are taken (RFC 8725
section 3.1), and a key id names one key.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurve, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from model.base import split_url
from model.errors import Unreachable
from model.json import parse_json
from model.loopback import is_loopback
from wire.http import HttpPolicy, RefusedAnswer, read_body_async, reason_of

#: What may sign a token: asymmetric only (RFC 8725 section 3.1). The value is (kty, crv or None).
ALGORITHMS: dict[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
}
MAX_BYTES = 256 * 1024
MAX_KEYS = 64
#: NIST SP 800-131A asks for 2048 bits at least; more than 8192 only costs time on every request.
MIN_BITS, MAX_BITS = 2048, 8192
#: NIST SP 800-56B section 6.2.
MIN_EXPONENT = 65537
TIMEOUT = httpx.Timeout(5, connect=5)
#: For the whole answer, so that one byte a second does not hold the sync up.
DEADLINE = 15.0

_KID = re.compile(r"[!-~]{1,256}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,2048}")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: dict[str, EllipticCurve] = {"P-256": SECP256R1(), "P-384": SECP384R1()}


@dataclass(frozen=True)
class VerificationKey:
    """A public key that may verify tokens of `algorithms`; `pem` is its SubjectPublicKeyInfo, `jwk` what was published."""

    kid: str
    algorithms: tuple[str, ...]
    pem: str
    jwk: dict[str, Any] = field(compare=False, repr=False)


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a JWKS in the order of their ids, and why the others are not."""

    keys: tuple[VerificationKey, ...]
    ignored: tuple[str, ...] = ()


def read_key_set(document: bytes, algorithms: Collection[str] = tuple(ALGORITHMS)) -> KeySet:
    """Strictly read a JWKS document for a reader that verifies `algorithms`.

    Raises:
        ValueError: not a JWKS, too many keys, two keys under one `kid` (which one signed?), or no usable key at all.
    """
    value = parse_json(document)
    entries = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no JWKS: it has no list of keys")
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it holds over {MAX_KEYS} keys")
    keys: dict[str, VerificationKey] = {}
    ignored: list[str] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            ignored.append(f"key {index}: not an object")
            continue
        kid = entry.get("kid")
        if not isinstance(kid, str) or not _KID.fullmatch(kid):
            ignored.append(f"key {index}: no usable kid")
            continue
        try:
            key = _verification_key(kid, entry, algorithms)
        except ValueError as error:
            ignored.append(f"{kid}: {error}")
            continue
        if keys.setdefault(kid, key) != key:
            raise ValueError(f"it holds two different keys under the kid {kid}")
    if not keys:
        kind = f" {algorithm}" if len(algorithms) == 1 and (algorithm := next(iter(algorithms))) else ""
        raise ValueError(f"it holds no usable{kind} key ({'; '.join(ignored) or 'its list is empty'})")
    return KeySet(tuple(keys[kid] for kid in sorted(keys)), tuple(ignored))


def _verification_key(kid: str, jwk: dict[str, Any], algorithms: Collection[str]) -> VerificationKey:
    if _PRIVATE & jwk.keys():
        raise ValueError("a private or symmetric key has been published")
    kind, curve = jwk.get("kty"), jwk.get("crv")
    kinds = dict.fromkeys(ALGORITHMS[name][0] for name in algorithms)
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"kind {_shown(kind)} is not {' or '.join(kinds)}")
    # Both members are optional (RFC 7517 sections 4.2 and 4.3): a key that states no use may verify.
    if jwk.get("use", "sig") != "sig":
        raise ValueError(f"use {_shown(jwk['use'])} is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("its key_ops do not hold verify")
    named = jwk.get("alg")
    fitting = tuple(name for name in algorithms if ALGORITHMS[name] == (kind, curve))
    if named is not None and named not in fitting:
        raise ValueError(f"algorithm {_shown(named)} is not {' or '.join(fitting) or 'one for its curve'}")
    if not fitting:
        raise ValueError(f"curve {_shown(curve)} is not accepted")
    pem = _rsa_pem(jwk) if kind == "RSA" else _ec_pem(jwk, _CURVES[str(curve)])
    return VerificationKey(kid, (named,) if named is not None else fitting, pem, jwk)


def _rsa_pem(jwk: dict[str, Any]) -> str:
    modulus, exponent = (int.from_bytes(_octets(jwk.get(name)), "big") for name in ("n", "e"))
    if not MIN_BITS <= modulus.bit_length() <= MAX_BITS:
        raise ValueError(f"{modulus.bit_length()} bits, not {MIN_BITS} to {MAX_BITS}")
    if exponent < MIN_EXPONENT or exponent % 2 == 0 or exponent.bit_length() > 256:
        raise ValueError("its exponent is not accepted")
    if modulus % 2 == 0:
        raise ValueError("its modulus is even")
    key = RSAPublicNumbers(exponent, modulus).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _ec_pem(jwk: dict[str, Any], curve: EllipticCurve) -> str:
    x, y = _octets(jwk.get("x")), _octets(jwk.get("y"))
    # RFC 7518 section 6.2.1.2: the full size of a coordinate.
    if len(x) != (curve.key_size + 7) // 8 or len(y) != len(x):
        raise ValueError("its coordinates are not of its curve's size")
    key = EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _octets(value: object) -> bytes:
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise ValueError("its numbers are not base64url")
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error:
        raise ValueError("its numbers are not base64url") from None


def _shown(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9-]{1,20}", value) else "(unreadable)"


def fetch_jwks(url: str, *, timeout: httpx.Timeout = TIMEOUT, deadline: float = DEADLINE) -> bytes:
    """The document at `url`, at most 256 KiB.

    https only, except on loopback; a redirect is an error, since it would let another address name the keys.

    Raises:
        Unreachable: anything else than a complete 200 answer of that size in time.
    """
    try:
        parts = split_url(url)
    except ValueError as error:
        raise Unreachable(f"the JWKS address {error}", remedy="correct jwks_uri") from None
    loopback = is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise Unreachable(f"{url} is not https: whoever sits between could name the keys", remedy="correct jwks_uri")
    # Not asyncio.run, which leaves the thread without the loop that Pulumi's SDK looks for afterwards.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_fetch(url, timeout, deadline))
    except ValueError as error:
        raise Unreachable(f"{url}: {error}", remedy="correct jwks_uri, or ask the issuer") from None
    except TimeoutError:
        raise Unreachable(f"{url} took over {deadline:g} s", remedy="try again later") from None
    except httpx.HTTPError as error:
        raise Unreachable(
            f"{url} does not answer ({reason_of(error)})", remedy="check the address and the network"
        ) from None
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _fetch(url: str, timeout: httpx.Timeout, deadline: float) -> bytes:
    async with (
        asyncio.timeout(deadline),
        HttpPolicy(url, proxies=True).async_client(timeout=timeout) as client,
    ):
        return await download_key_set(client, url)


async def download_key_set(client: httpx.AsyncClient, url: str) -> bytes:
    """The document at `url`, asked by a client that follows no redirect, since another address would name the keys.

    Raises:
        ValueError: anything else than a complete 200 answer of at most 256 KiB.
        httpx.HTTPError: no answer.
    """
    async with client.stream("GET", url, headers={"accept": "application/json"}, follow_redirects=False) as answer:
        if answer.is_redirect:
            raise ValueError(
                f"the issuer answered {answer.status_code} and redirects elsewhere: name the address of the keys themselves"
            )
        if answer.status_code != 200:
            raise ValueError(f"the issuer answered {answer.status_code}")
        try:
            return await read_body_async(answer, MAX_BYTES)
        except RefusedAnswer as error:
            raise ValueError(f"the issuer gives no JWKS: {error}") from None
