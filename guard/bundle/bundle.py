"""Signed guard configurations: what is signed, how it is checked, and which bundle may follow which. Pure: no I/O.

The signature (Ed25519, RFC 8032) covers the canonical JSON of everything in the file but `signature` itself, whatever
keys it holds. A first line that says what is signed comes before it, so that a signature made for something else never
fits. The signature is checked before any of the content is used, and the content is then read from the signed bytes:
nothing in a bundle is outside the signature, and no two readers can understand a signed value differently.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from guard.bundle.keys import key_id
from model.base import validate
from model.canonical import canonical_json
from model.errors import InputError
from model.guard_bundle import AnyGuardConfig, GuardBundle, Signature, format_of
from model.guard_config import GuardConfig
from model.json import parse_json
from model.loader import Document, parse
from model.model_guard_config import ModelGuardConfig

PREFIX = b"ringwall guard bundle 1\n"
MOST_BYTES = 16 * 1024 * 1024
#: Seconds by which the clock of the machine that signs may be ahead of a guard's.
MAX_AHEAD = 300
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_SIGN = "sign it again with `ringwall guard bundle`"


class BundleRefused(InputError):
    """A bundle that must not be put in force."""


class MalformedBundle(BundleRefused):
    """Not a bundle: no strict JSON, too large, or not of a bundle's format."""


class UnknownSigningKey(BundleRefused):
    """Signed with a key that this guard does not trust."""


class BadSignature(BundleRefused):
    """Changed after it was signed, or never signed with the key it names."""


class OtherServer(BundleRefused):
    """Another server's configuration."""


class Rollback(BundleRefused):
    """Older than the bundle in force, or of the same sequence with another content."""


class Expired(BundleRefused):
    """Past the time until which it was signed."""


class NotYetIssued(BundleRefused):
    """Signed later than this host's clock says it is."""


@dataclass(frozen=True)
class Opened:
    """A configuration that may be put in force: from a verified bundle, or of a demo."""

    config: AnyGuardConfig
    sha256: str
    sequence: int
    denied: frozenset[str]
    #: When the guard stops serving by it, in Unix seconds; None for a demo, and for a bundle of an older version.
    expires: int | None = None
    issued: int | None = None

    @property
    def for_server(self) -> GuardConfig:
        """The configuration of an MCP server's guard; raises InputError where it is a model route's."""
        if isinstance(self.config, ModelGuardConfig):
            raise _of_the_other_kind(self.config, "a model route's configuration, and this is an MCP server's guard")
        return self.config

    @property
    def for_route(self) -> ModelGuardConfig:
        """The configuration of a model route's guard; raises InputError where it is a server's."""
        if not isinstance(self.config, ModelGuardConfig):
            raise _of_the_other_kind(self.config, "an MCP server's configuration, and this is a model route's guard")
        return self.config


def _of_the_other_kind(config: AnyGuardConfig, problem: str) -> InputError:
    name = f"{config.server.environment}.{config.server.name}"
    return InputError(f"{name} is {problem}", remedy="start a guard with a state directory of its own for it")


@dataclass(frozen=True)
class OpenedBundle:
    """A bundle with a valid signature. `sha256` is the digest of the signed bytes: it names the content, independent of
    the signing key and of the file's layout."""

    bundle: GuardBundle
    sha256: str

    @property
    def server(self) -> tuple[str, str]:
        """Environment and server."""
        return self.bundle.config.server.environment, self.bundle.config.server.name

    @property
    def opened(self) -> Opened:
        """The configuration in the form that the guard's service takes."""
        bundle = self.bundle
        return Opened(
            bundle.config, self.sha256, bundle.sequence, frozenset(bundle.denied), bundle.expires, bundle.issued
        )


def bundle_bytes(
    sequence: int,
    denied: Iterable[str],
    config: AnyGuardConfig,
    *,
    issued: int | None = None,
    expires: int | None = None,
) -> bytes:
    """The bytes that are signed for a bundle of these members."""
    times = {name: value for name, value in (("issued", issued), ("expires", expires)) if value is not None}
    return _signed({"version": 1, "sequence": sequence, "denied": list(denied), **times, "config": config.dump()})


def sign(
    config: AnyGuardConfig,
    *,
    sequence: int,
    denied: Iterable[str],
    key: Ed25519PrivateKey,
    issued: int | None = None,
    expires: int | None = None,
) -> GuardBundle:
    """Sign a configuration. `denied` is sorted, so that the same content has the same bytes.

    `issued` and `expires` are Unix seconds; without them the bundle has no end.

    Raises:
        ValueError: the sequence is not positive, or a denied principal is named twice.
    """
    refused = tuple(sorted(denied))
    value = key.sign(bundle_bytes(sequence, refused, config, issued=issued, expires=expires))
    signature = Signature(key_id=key_id(key.public_key()), value=_encode(value))
    return GuardBundle(
        version=1, sequence=sequence, denied=refused, issued=issued, expires=expires, config=config, signature=signature
    )


def render(bundle: GuardBundle) -> str:
    """A bundle as a file: deterministic JSON that diffs line by line."""
    return json.dumps(bundle.dump(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def open_bundle(
    text: str | bytes,
    public_keys: Mapping[str, Ed25519PublicKey],
    *,
    expected_server: tuple[str, str] | None,
    after: int,
    applied: str | None = None,
    clock: float | None = None,
) -> OpenedBundle:
    """Check a bundle and return its content.

    Args:
        public_keys: the keys to trust by key id (`guard.bundle.keys.load_public_keys`).
        expected_server: environment and server it must be for; None takes any.
        after: the sequence applied last, 0 for none. A bundle of the same sequence passes only with the same content.
        applied: `OpenedBundle.sha256` of the bundle applied last; a result with this digest is no change.
        clock: Unix seconds by this host's clock; None takes a bundle whatever its times are.

    Raises:
        MalformedBundle, UnknownSigningKey, BadSignature, OtherServer, Rollback, Expired, NotYetIssued: it must not be put in
            force.
    """
    value = _parse(text)
    signature = value.pop("signature", None)
    try:
        signed = _signed(value)
    except ValueError as error:
        raise MalformedBundle(f"the bundle {error}", remedy=_SIGN) from None
    named, raw = _signature(signature)
    key = public_keys.get(named)
    if key is None:
        trusted = ", ".join(sorted(public_keys)) or "none"
        raise UnknownSigningKey(
            f"the bundle is signed with key {named}, which is not trusted here (trusted: {trusted})",
            remedy="sign it with a trusted key, or add that key's .pub file once you know whose it is",
        )
    try:
        key.verify(raw, signed)
    except InvalidSignature:
        raise BadSignature(
            f"the bundle's signature by key {named} does not hold: it was altered after signing", remedy=_SIGN
        ) from None
    value = json.loads(signed.removeprefix(PREFIX))
    bundle = _validated({**value, "signature": signature})
    opened = OpenedBundle(bundle, "sha256:" + hashlib.sha256(signed).hexdigest())
    _in_order(opened, expected_server, after, applied)
    if clock is not None:
        _in_time(bundle, clock)
    demo_stays_on_loopback(bundle.config)
    return opened


def read_demo_config(text: str | bytes, file: Path) -> AnyGuardConfig:
    """Read an unsigned configuration, YAML or JSON, which is accepted with a demo identity only.

    Raises:
        InputError: it is signed, has a real identity, listens beyond loopback, or is no guard configuration.
    """
    try:
        written = text if isinstance(text, str) else text.decode("utf-8")
        document = Document(file, parse_json(written), {(): 1}) if written.lstrip()[:1] == "{" else parse(written, file)
    except ValueError as error:
        raise InputError(f"is no guard configuration: {error}", file=file, remedy="correct it") from None
    if isinstance(document.value, dict) and "signature" in document.value:
        raise InputError("is a signed bundle", file=file, remedy="name the key to check it with: --public-key")
    config: AnyGuardConfig = validate(format_of(document.value), document.value, document, ())
    if config.identity.demo is None:
        stack = f"{config.server.environment}.{config.server.name}"
        raise InputError(
            "is not signed, and only a demo identity runs without a signature",
            file=file,
            remedy=f"sign it with `ringwall guard bundle {stack} --key FILE`, and name the key to check it with: "
            "--public-key",
        )
    demo_stays_on_loopback(config)
    return config


def demo_stays_on_loopback(config: AnyGuardConfig) -> None:
    """Raises InputError for a demo identity, which verifies nobody, on an address that other machines reach."""
    if config.identity.demo is not None and config.listen.address != "127.0.0.1":
        raise InputError(
            "a demo identity verifies nobody, so it serves loopback only", key="listen.address", remedy="remove it"
        )


def _signed(value: Mapping[str, Any]) -> bytes:
    return PREFIX + canonical_json(dict(value))


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        # Decoded here: `json.loads` would take bytes for UTF-16 or UTF-32 where they look like it.
        content = text.encode("utf-8") if isinstance(text, str) else text
        if len(content) > MOST_BYTES:
            raise MalformedBundle(
                f"the bundle is larger than {MOST_BYTES // 2**20} MiB", remedy="take tools out of the lock, or split it"
            )
        value = parse_json(content.decode("utf-8"))
    except ValueError as error:
        format_name = "text in UTF-8" if isinstance(error, UnicodeError) else f"JSON ({error})"
        raise MalformedBundle(f"the bundle is not {format_name}", remedy=_SIGN) from None
    if not isinstance(value, dict):
        raise MalformedBundle("the bundle is no JSON object", remedy=_SIGN)
    if "signature" not in value:
        raise MalformedBundle("the configuration is not signed", remedy="sign it with `ringwall guard bundle`")
    return value


def _signature(value: Any) -> tuple[str, bytes]:
    """Key id and raw signature. No other member is accepted here, as these members alone are not signed."""
    members = {"algorithm", "key_id", "value"}
    if (
        not isinstance(value, dict)
        or set(value) != members
        or not all(isinstance(part, str) for part in value.values())
    ):
        raise MalformedBundle("the bundle's signature must hold algorithm, key_id and value", remedy=_SIGN)
    if not _KEY_ID.fullmatch(value["key_id"]):
        # It is not signed, and stands in logs.
        raise MalformedBundle("the bundle's signature names no key by its 16 hexadecimal digits", remedy=_SIGN)
    if value["algorithm"] != "ed25519":
        raise MalformedBundle("the bundle's signature is not Ed25519", remedy=_SIGN)
    try:
        raw = base64.b64decode(value["value"] + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 64 or _encode(raw) != value["value"]:
        raise MalformedBundle("the bundle's signature is not 64 bytes in base64url", remedy=_SIGN)
    return value["key_id"], raw


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _validated(value: dict[str, Any]) -> GuardBundle:
    try:
        return validate(GuardBundle, value, Document(Path("bundle"), value, {(): 1}), ())
    except InputError as error:
        lines = str(error).split("\n")
        further = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        raise MalformedBundle(
            f"signed, but not of this version's format: {lines[0]}{further}",
            remedy="sign with the version of Ringwall that the guard runs",
        ) from None


def _in_time(bundle: GuardBundle, clock: float) -> None:
    if bundle.expires is not None and bundle.expires <= clock:
        raise Expired(
            f"the bundle expired at {utc(bundle.expires)}, and this host's clock says {utc(clock)}",
            remedy=f"{_SIGN}; if the clock is wrong, set it",
        )
    if bundle.issued is not None and bundle.issued > clock + MAX_AHEAD:
        raise NotYetIssued(
            f"the bundle was signed at {utc(bundle.issued)}, and this host's clock says {utc(clock)}",
            remedy="set the clock that is wrong, this host's or that of the machine that signs",
        )


def utc(moment: float) -> str:
    """Unix seconds as a date and time (RFC 3339)."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _in_order(opened: OpenedBundle, expected: tuple[str, str] | None, after: int, applied: str | None) -> None:
    if expected is not None and opened.server != expected:
        raise OtherServer(
            f"the bundle is for {'.'.join(opened.server)}, and this is {'.'.join(expected)}",
            remedy=f"give it the bundle of {'.'.join(expected)}",
        )
    sequence = opened.bundle.sequence
    if sequence < after:
        raise Rollback(
            f"the bundle's sequence is {sequence} and {after} was applied already", remedy=_above(opened.server, after)
        )
    if sequence == after and applied is not None and opened.sha256 != applied:
        raise Rollback(
            f"another bundle of sequence {sequence} was applied already", remedy=_above(opened.server, after)
        )


def _above(server: tuple[str, str], sequence: int) -> str:
    # The number by the clock alone may be lower once more: what was applied may come from a machine whose clock is ahead.
    command = f"ringwall guard bundle {'.'.join(server)} --sequence {sequence + 1}"
    return f"deliver the bundle that was signed last, or sign with `{command}`"
