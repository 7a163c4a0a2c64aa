"""The keys that guard configurations are signed with: Ed25519 (RFC 8032) in PEM files.

The private key stays where stacks are deployed from. An origin host gets the public key alone, so that an attacker who
controls the host cannot sign another configuration. What is signed is in `guard.bundle.bundle`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from model.errors import InputError, RingwallError
from model.files import NoFile, open_file, write_atomically

PRIVATE_FILE = "guard-signing.key"
PUBLIC_FILE = "guard-signing.pub"
_MOST_BYTES = 64 * 1024
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def key_id(public: Ed25519PublicKey) -> str:
    """The name of a key: the first 16 hexadecimal digits of the SHA-256 of its 32 raw bytes."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def create_key_pair(folder: Path, *, force: bool = False) -> tuple[Path, Path, str]:
    """Make a new pair in `folder`: the private file (0600), the public file (0644), and the key's id.

    Args:
        force: replace an existing pair. The old private key is lost then.

    Raises:
        InputError: a file exists already and `force` is not given; nothing was written.
        RingwallError: a file cannot be written.
    """
    private, public = folder / PRIVATE_FILE, folder / PUBLIC_FILE
    existing = [path for path in (private, public) if path.exists() or path.is_symlink()]
    if existing and not force:
        raise _existing(existing[0])
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    shown = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Of two commands at once one makes the pair: halves of two pairs would sign what no guard takes.
        write_atomically(private, secret, 0o600, replace=force)
        try:
            write_atomically(public, shown, 0o644, replace=force)
        except OSError:
            if not force:
                private.unlink()
            raise
    except OSError as error:
        if isinstance(error, FileExistsError) and (file := Path(error.filename)) in (private, public):
            raise _existing(file) from None
        raise RingwallError(f"{error.filename}: cannot be written ({error.strerror})") from None
    return private, public, key_id(key.public_key())


def _existing(file: Path) -> InputError:
    return InputError("is there already", file=file, remedy="keep it, or replace the pair with --force")


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read the signing key.

    Raises:
        InputError: the file is missing, readable by others than its owner, or holds no unencrypted Ed25519 key in
            PKCS 8 PEM.
    """
    content, mode = _read(path)
    if b"-----BEGIN PUBLIC KEY-----" in content:
        raise InputError("is a public key, and signing takes the private one", file=path, remedy="name the other file")
    if mode & 0o077:
        raise InputError(
            f"others may read or write the signing key (mode {mode:04o})", file=path, remedy=f"run `chmod 600 {path}`"
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            "holds no unencrypted Ed25519 private key", file=path, remedy="make one with `ringwall guard keygen`"
        )
    return key


def load_public_keys(paths: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """The keys to trust, by key id. A file may hold several, such as the old and the new one while keys change.

    Raises:
        InputError: a file is missing, holds anything but PEM blocks, or holds a block that is no Ed25519 public key.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for path in paths:
        content, _ = _read(path)
        blocks = [match.group(0) for match in _PEM.finditer(content)]
        if any(b"PRIVATE KEY" in block for block in blocks):
            raise InputError(
                "holds a private key, which belongs where stacks are deployed from and nowhere else",
                file=path,
                remedy="name the .pub file; if this is an origin host, remove the key and make another pair",
            )
        if not blocks or _PEM.sub(b"", content).strip():
            raise InputError("must hold PEM blocks of public keys alone", file=path, remedy=_MAKE)
        for block in blocks:
            key = _public(block, path)
            keys[key_id(key)] = key
    return keys


_MAKE = f"name the {PUBLIC_FILE} that `ringwall guard keygen` made"


def _public(block: bytes, path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("a block in it is no Ed25519 public key", file=path, remedy=_MAKE)
    return key


def _read(path: Path) -> tuple[bytes, int]:
    """Content and permissions of the file, read from one descriptor so that both are of the same file."""
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            content = file.read(_MOST_BYTES + 1)
    except NoFile as error:
        raise InputError(str(error.strerror), file=path, remedy="name the key file") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path, remedy="name the key file") from None
    if len(content) > _MOST_BYTES:
        raise InputError("is too large to be a key", file=path, remedy="name the key file")
    return content, stat.S_IMODE(status.st_mode)
