"""Which of an issuer's keys Kong must hold: from a JWKS document to the credentials to add, replace and remove. Pure.

Kong's `jwt` plugin accepts any key that stands under a token's `kid`, so a key that gets in here can sign anything. Which
keys of a document are usable is decided in wire/jwks.py, for the guard and for Kong alike. Here a known `kid` never changes
its key by itself, and the last keys are never removed. Kong is read and changed in `sync`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from components.gateway.names import tags
from model.errors import Unreachable
from wire.jwks import read_key_set
from wire.kong import ALGORITHM, Credential, IssuerKey


class KeySubstitution(Unreachable):
    """A known `kid` has another key than before."""


@dataclass(frozen=True)
class KongKeySet:
    """The keys of a JWKS document that Kong can use, and why the others are not used."""

    keys: tuple[IssuerKey, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyChanges:
    """What to do at Kong, in this order: add, replace, remove. `unchanged` credentials stay."""

    add: tuple[IssuerKey, ...] = ()
    replace: tuple[tuple[Credential, IssuerKey], ...] = ()
    remove: tuple[Credential, ...] = ()
    unchanged: tuple[Credential, ...] = ()


def read_jwks(text: bytes) -> KongKeySet:
    """Read a JWKS document strictly, by the rule that the guard has too; raises ValueError as `wire.jwks.read_key_set`."""
    published = read_key_set(text, (ALGORITHM,))
    return KongKeySet(tuple(IssuerKey(key.kid, key.pem) for key in published.keys), published.ignored)


def decide(
    environment: str, published: tuple[IssuerKey, ...], present: list[Credential], *, replace: bool = False
) -> KeyChanges:
    """Compare the keys that an issuer published with the credentials of its consumer at Kong.

    Args:
        replace: accept a changed key under a known `kid` where Ringwall made the credential.

    Raises:
        KeySubstitution: a known `kid` has another key or algorithm at Kong than at the issuer.
        ValueError: `published` is empty.
    """
    if not published:
        raise ValueError("no keys: the last ones are never removed")
    by_kid = {credential.kid: credential for credential in present}
    own_tags = set(tags(environment))
    add: list[IssuerKey] = []
    swap: list[tuple[Credential, IssuerKey]] = []
    unchanged: list[Credential] = []
    for key in published:
        credential = by_kid.get(key.kid)
        if credential is None:
            add.append(key)
        elif credential.algorithm == ALGORITHM and _is_same_key(credential.pem, key.pem):
            unchanged.append(credential)
        elif not own_tags <= set(credential.tags):
            raise KeySubstitution(
                f"kid {key.kid} stands at Kong with another key, and Ringwall did not put it there",
                remedy="find out who did, "
                f"then delete that credential (`ringwall keys sync {environment} --remove-strangers`)",
            )
        elif not replace:
            raise KeySubstitution(
                f"kid {key.kid} has another key at Kong than at the issuer: one of the two was substituted",
                remedy="verify it with the issuer, then run again with --replace",
            )
        else:
            swap.append((credential, key))
    kids = {key.kid for key in published}
    managed = [credential for credential in present if own_tags <= set(credential.tags)]
    return KeyChanges(
        add=tuple(add),
        replace=tuple(swap),
        remove=tuple(credential for credential in managed if credential.kid not in kids),
        unchanged=tuple(unchanged),
    )


def _is_same_key(present: str | None, published: str) -> bool:
    try:
        first, second = (load_pem_public_key((pem or "").encode()) for pem in (present, published))
    except ValueError:
        return False
    if not isinstance(first, RSAPublicKey) or not isinstance(second, RSAPublicKey):
        return False
    return first.public_numbers() == second.public_numbers()
