"""Which of an issuer's keys Kong must hold: from a JWKS document to credentials to add and to remove.

Kong's `jwt` plugin accepts whatever key stands under a token's `kid`, so a key that gets in here can sign anything. Only
keys that can do nothing but verify RS256 are taken (RFC 7517, RFC 8725 section 3.1), a known `kid` never changes its key
by itself, and the last keys are never removed.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from components.gateway.names import tags
from model.errors import Unreachable
from model.tool_lock import parse_json
from wire.kong import ALGORITHM, Credential, IssuerKey

MAX_KEYS = 64
#: NIST SP 800-131A: no less; more only costs the gateway time on every request.
MIN_BITS, MAX_BITS = 2048, 8192
#: NIST SP 800-56B section 6.2.
MIN_EXPONENT = 65537
_KID = re.compile(r"[!-~]{1,256}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


class KeySubstitution(Unreachable):
    """A `kid` that is known has another key than before."""


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a JWKS document, and why the others are not."""

    keys: tuple[IssuerKey, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyChanges:
    """What to do at Kong, in this order: add, replace, remove."""

    add: tuple[IssuerKey, ...] = ()
    replace: tuple[tuple[Credential, IssuerKey], ...] = ()
    remove: tuple[Credential, ...] = ()
    keep: tuple[Credential, ...] = ()


def read_jwks(text: bytes) -> KeySet:
    """Strictly read a JWKS document.

    Raises:
        ValueError: not a JWKS, two keys under one `kid`, or no usable key at all.
    """
    document = parse_json(text)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no JWKS: it has no list of keys")
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it holds over {MAX_KEYS} keys")
    keys: dict[str, IssuerKey] = {}
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
            key = IssuerKey(kid, _pem(entry))
        except ValueError as error:
            ignored.append(f"{kid}: {error}")
            continue
        if keys.setdefault(kid, key) != key:
            raise ValueError(f"it holds two different keys under the kid {kid}")
    if not keys:
        raise ValueError(f"it holds no usable RS256 key ({'; '.join(ignored) or 'its list is empty'})")
    return KeySet(tuple(keys[kid] for kid in sorted(keys)), tuple(ignored))


def _pem(entry: dict[str, Any]) -> str:
    if any(member in entry for member in _PRIVATE):
        raise ValueError("a private or symmetric key has been published")
    if entry.get("kty") != "RSA":
        raise ValueError(f"kind {_shown(entry.get('kty'))} is not RSA")
    if entry.get("use") != "sig":
        raise ValueError(f"use {_shown(entry.get('use'))} is not sig")
    if entry.get("alg", ALGORITHM) != ALGORITHM:
        raise ValueError(f"algorithm {_shown(entry.get('alg'))} is not {ALGORITHM}")
    modulus, exponent = _number(entry.get("n")), _number(entry.get("e"))
    if not MIN_BITS <= modulus.bit_length() <= MAX_BITS:
        raise ValueError(f"{modulus.bit_length()} bits, not {MIN_BITS} to {MAX_BITS}")
    if exponent < MIN_EXPONENT or exponent % 2 == 0 or exponent.bit_length() > 256:
        raise ValueError("its exponent is not accepted")
    if modulus % 2 == 0:
        raise ValueError("its modulus is even")
    key = RSAPublicNumbers(exponent, modulus).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _shown(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9-]{1,20}", value) else "(unreadable)"


def _number(value: object) -> int:
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value) or len(value) > 2048:
        raise ValueError("its numbers are not base64url")
    try:
        return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), "big")
    except binascii.Error:
        raise ValueError("its numbers are not base64url") from None


def decide(
    environment: str, wanted: tuple[IssuerKey, ...], present: list[Credential], *, replace: bool = False
) -> KeyChanges:
    """Compare the issuer's keys with the credentials of its consumer.

    Args:
        replace: accept a changed key under a known `kid` where Ringwall made the credential.

    Raises:
        KeySubstitution: a known `kid` has another key or algorithm at Kong than at the issuer.
        ValueError: `wanted` is empty.
    """
    if not wanted:
        raise ValueError("no keys: the last ones are never removed")
    by_kid = {credential.kid: credential for credential in present}
    mine = set(tags(environment))
    add: list[IssuerKey] = []
    swap: list[tuple[Credential, IssuerKey]] = []
    keep: list[Credential] = []
    for key in wanted:
        credential = by_kid.get(key.kid)
        if credential is None:
            add.append(key)
        elif credential.algorithm == ALGORITHM and _same(credential.pem, key.pem):
            keep.append(credential)
        elif not mine <= set(credential.tags):
            raise KeySubstitution(
                f"kid {key.kid} stands at Kong with another key, and Ringwall did not put it there; find out who did, "
                f"then delete that credential (`ringwall keys sync {environment} --remove-strangers`)"
            )
        elif not replace:
            raise KeySubstitution(
                f"kid {key.kid} has another key at Kong than at the issuer: one of the two was substituted; verify it "
                "with the issuer, then run again with --replace"
            )
        else:
            swap.append((credential, key))
    kids = {key.kid for key in wanted}
    ours = [credential for credential in present if mine <= set(credential.tags)]
    return KeyChanges(
        add=tuple(add),
        replace=tuple(swap),
        remove=tuple(credential for credential in ours if credential.kid not in kids),
        keep=tuple(keep),
    )


def _same(one: str | None, other: str) -> bool:
    try:
        first, second = (load_pem_public_key((pem or "").encode()) for pem in (one, other))
    except ValueError:
        return False
    if not isinstance(first, RSAPublicKey) or not isinstance(second, RSAPublicKey):
        return False
    return first.public_numbers() == second.public_numbers()
