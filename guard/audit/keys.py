"""The key that signs heads of the audit log: made once per host, readable by the guard alone."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from guard.private_file import create_private, read_private
from model.errors import InputError
from model.files import read_bytes

_NAME = "the audit signing key"


def load_or_create_key(path: Path) -> Ed25519PrivateKey:
    """The key in `path` (PEM, PKCS 8, mode 0600), created if missing; the public key is written to ``<path>.pub``.

    Copy the public key off the host: the copy beside the private key proves nothing to those who doubt this host.

    Raises:
        InputError: the file may be read or written by others, belongs to another user, is a link or no plain file, or
            holds no Ed25519 key.
    """
    try:
        key = _load(path)
    except FileNotFoundError:
        key = _create(path)
    public = path.with_name(path.name + ".pub")
    try:
        pem = public_pem(key.public_key())
        if not public.exists() or read_bytes(public) != pem:
            public.write_bytes(pem)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=public) from None
    return key


def _load(path: Path) -> Ed25519PrivateKey:
    data = read_private(path, _NAME)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError("is no unencrypted PEM private key", file=path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("is no Ed25519 key", file=path)
    return key


def _create(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    create_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _NAME)
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file; raises InputError."""
    try:
        key = load_pem_public_key(read_bytes(path, streams=True))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError("is no PEM public key", file=path, remedy="give the .pub file of the signing key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("is no Ed25519 public key", file=path)
    return key
