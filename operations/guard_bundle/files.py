"""A server's signed bundle as a file where stacks are deployed from: reading the last one, and writing the next.

The next bundle keeps the deny list of the last one and has a higher number, so the last one must be trusted first.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from guard.bundle.bundle import MOST_BYTES, OpenedBundle, UnknownSigningKey, open_bundle, render, sign
from guard.bundle.keys import key_id, load_public_keys
from model.errors import InputError
from model.files import read_bytes
from model.stacks import environment_of, server_of
from operations.project.write import FileChange, apply

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from model.guard_bundle import AnyGuardConfig


#: Seconds for which a bundle is served by: so long a host that gets no new one serves what nobody confirms any more.
DEFAULT_VALID = 90 * 24 * 3600


def bundle_path(folder: Path, stack: str) -> Path:
    """The file of a server's bundle, unless the user names another one."""
    return folder / f"{stack}.guard.bundle.json"


@dataclass(frozen=True)
class BundleFile:
    """The file of one server's bundle, with the key that signs the next one. `previous` is the bundle in it now."""

    path: Path
    key: Ed25519PrivateKey
    previous: OpenedBundle | None
    _content: bytes | None

    @classmethod
    def open(cls, path: Path, stack: str, key: Ed25519PrivateKey, previous_keys: Sequence[Path] = ()) -> Self:
        """Read the file. The bundle in it decides who stays denied, so it must be this server's, and signed by `key` or by
        one of the public keys in `previous_keys`.

        Raises:
            InputError: the bundle in the file cannot be trusted.
        """
        if not path.exists():
            return cls(path, key, None, None)
        content = read(path)
        keys = {key_id(key.public_key()): key.public_key(), **load_public_keys(previous_keys)}
        environment, name = environment_of(stack), server_of(stack)
        try:
            return cls(path, key, open_bundle(content, keys, expected_server=(environment, name), after=0), content)
        except UnknownSigningKey as error:
            remedy = "name that key with --previous-public-key, so that its deny list can be trusted and kept"
            raise InputError(error.problem, file=path, remedy=remedy) from None
        except InputError as error:
            raise InputError(
                f"the previous bundle cannot be trusted, so its deny list would be lost: {error.problem}",
                file=path,
                remedy="write to another file and name every denied principal with --deny",
            ) from None

    @property
    def denied(self) -> frozenset[str]:
        """The principals that the previous bundle denies."""
        return frozenset(self.previous.bundle.denied if self.previous else ())

    def write(
        self, config: AnyGuardConfig, denied: Collection[str], sequence: int | None = None, valid: int | None = None
    ) -> OpenedBundle:
        """Sign `config` as the next bundle, read it back as a guard would, and replace the previous one with it.

        `sequence` is its number, by default the time in Unix seconds; it is above the previous one. `valid` is for how many
        seconds guards serve by it: by default 90 days, and never less long than by the previous one. Raises InputError.
        """
        issued = int(time.time())
        expires = issued + (DEFAULT_VALID if valid is None else valid)
        if valid is None and self.previous:
            expires = max(expires, self.previous.bundle.expires or 0)
        bundle = sign(
            config, sequence=self._number(sequence), denied=denied, key=self.key, issued=issued, expires=expires
        )
        text = render(bundle)
        opened = reopened(text, {key_id(self.key.public_key()): self.key.public_key()})
        apply([FileChange(self.path, self._content, text.encode())])
        return opened

    def _number(self, requested: int | None) -> int:
        last = self.previous.bundle.sequence if self.previous else 0
        if requested is None:
            return max(int(time.time()), last + 1)
        if requested <= last:
            raise InputError(
                f"{requested} is not above {last}, the previous bundle's, so guards would refuse it",
                key="--sequence",
                remedy="leave it out, or give a higher one",
            )
        return requested


def reopened(text: str | bytes, keys: Mapping[str, Ed25519PublicKey]) -> OpenedBundle:
    """Read a bundle as the guard of its server would at this time; raises InputError."""
    return open_bundle(text, keys, expected_server=None, after=0, clock=time.time())


def read(file: Path) -> bytes:
    """The file's content; raises InputError."""
    try:
        return read_bytes(file, MOST_BYTES, streams=True)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file, remedy="name the file") from None
