"""The keys by which the guard tells the server who calls: made on this host, where they stay, and no other key signs that.

One file holds three ES256 keys at most, in this order: the one that signs, the next one, and the one that signed before. All
of them are published, so a server that keeps the published keys, or pins them, knows each key before it signs and as long
as anything that it signed counts. ES256 (RFC 7518 section 3.4) is what every JWT library verifies.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from guard.private_file import create_private, read_private
from model.errors import InputError, RingwallError
from model.files import write_atomically
from model.origin_identity import IdentityKey, base64url, thumbprint

log = logging.getLogger("ringwall.guard")

FILE = "identity.keys"
_NAME = "the file of identity keys"
_MOST_KEYS = 3
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n?", re.DOTALL)
#: Seconds after which the file is looked at again, as `ringwall guard identity --rotate` writes it beside a running guard.
LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class SigningKey:
    """One key pair, and its public half as it is published."""

    private: EllipticCurvePrivateKey
    public: IdentityKey

    @classmethod
    def of(cls, private: EllipticCurvePrivateKey) -> SigningKey:
        numbers = private.public_key().public_numbers()
        x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return cls(private, IdentityKey(kid=thumbprint(x, y), x=x, y=y))

    @property
    def kid(self) -> str:
        return self.public.kid


class IdentityKeys:
    """The keys of one guard, made if there are none. A file that changed is read again; one that cannot be used then leaves
    the keys as they were.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        try:
            self._keys = _load(path)
        except FileNotFoundError:
            self._keys = (_new(), _new())
            create_private(path, _pem(self._keys), _NAME)
        self._mark = self._file_mark()
        self._looked = clock()
        self._pinned: frozenset[str] = frozenset()

    def pin(self, pinned: Sequence[IdentityKey]) -> None:
        """Sign by these keys alone, or by any where there are none. Raises InputError where this host has none of them."""
        kids = frozenset(key.kid for key in pinned)
        if _signing(self.in_order(), kids) is None:
            raise InputError(
                "this host's guard has none of the identity keys that the stack file pins",
                key="origin.identity_keys",
                remedy="copy the keys that `ringwall guard identity` prints on this host into the stack file",
            )
        self._pinned = kids

    def signing(self) -> SigningKey:
        """The key that signs: the first one that may."""
        key = _signing(self.in_order(), self._pinned)
        if key is None:
            raise AssertionError("a set of keys without a pinned one is never taken over")
        return key

    def in_order(self) -> tuple[SigningKey, ...]:
        """The key that is to sign, the next one, and the one before, if there was one."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            if (mark := self._file_mark()) != self._mark:
                self._mark = mark
                self._read_again()
        return self._keys

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWKS document (RFC 7517 section 5)."""
        return {"keys": [key.public.dump() for key in self.in_order()]}

    def _read_again(self) -> None:
        try:
            keys = _load(self._path)
        except (InputError, FileNotFoundError) as error:
            log.error("the identity keys stay as they were: %s", error)
            return
        key = _signing(keys, self._pinned)
        if key is None:
            log.error("the identity keys stay as they were: origin.identity_keys pins none of the new ones")
            return
        self._keys = keys
        log.info("the identity keys changed; %s signs", key.kid)

    def _file_mark(self) -> tuple[int, int] | None:
        try:
            status = self._path.lstat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns


def _signing(keys: Sequence[SigningKey], pinned: frozenset[str]) -> SigningKey | None:
    return next((key for key in keys if not pinned or key.kid in pinned), None)


def rotate(path: Path) -> tuple[SigningKey, ...]:
    """Let the next key sign, and make another next one. The key that signed so far stays published.

    Raises:
        InputError: there are no keys yet, or the file cannot be used.
        RingwallError: it cannot be written.
    """
    try:
        current, following, *_ = _load(path)
    except FileNotFoundError:
        raise InputError(
            "there are no identity keys yet", file=path, remedy="leave out --rotate to make them"
        ) from None
    keys = (following, _new(), current)
    try:
        write_atomically(path, _pem(keys), 0o600)
    except OSError as error:
        raise RingwallError(f"{path}: cannot be written ({error.strerror})") from None
    return keys


def _new() -> SigningKey:
    return SigningKey.of(generate_private_key(SECP256R1()))


def _pem(keys: tuple[SigningKey, ...]) -> bytes:
    return b"".join(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys)


def _load(path: Path) -> tuple[SigningKey, ...]:
    content = read_private(path, _NAME)
    blocks = _PEM.findall(content)
    if not 2 <= len(blocks) <= _MOST_KEYS or _PEM.sub(b"", content).strip():
        raise InputError("holds no two or three PEM private keys and nothing else", file=path, remedy=_ANEW)
    return tuple(SigningKey.of(_private(block, path)) for block in blocks)


_ANEW = "move it away, and the guard makes new ones at its next start"


def _private(block: bytes, path: Path) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(block, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise InputError("holds a key that is no unencrypted P-256 private key", file=path, remedy=_ANEW)
    return key
