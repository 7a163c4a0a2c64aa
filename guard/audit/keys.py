"""The key that signs heads of the audit log: made once per host, readable by the guard alone."""

from __future__ import annotations

import os
import stat
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

from model.errors import InputError


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
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    public = path.with_name(path.name + ".pub")
    try:
        pem = public_pem(key.public_key())
        if not public.exists() or public.read_bytes() != pem:
            public.write_bytes(pem)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=public) from None
    return key


def _load(path: Path) -> Ed25519PrivateKey:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise InputError("the audit signing key is not a file of the guard's own user", file=path)
        if status.st_mode & 0o077:
            raise InputError(
                f"others may use the audit signing key (mode {stat.S_IMODE(status.st_mode):04o})",
                file=path,
                remedy="chmod 600, and make a new one if anyone could have read it",
            )
        data = file.read(65536)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError("is no unencrypted PEM private key", file=path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("is no Ed25519 key", file=path)
    return key


def _create(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        raise InputError(f"the audit signing key cannot be made: {error.strerror}", file=path) from None
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file; raises InputError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError("is no PEM public key", file=path, remedy="give the .pub file of the signing key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("is no Ed25519 public key", file=path)
    return key
