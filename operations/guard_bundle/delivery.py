"""Delivery of a bundle to a guard: sign it, write it where the last one is, and ask the guard until it is in force.

What a bundle holds is decided in `contents`, how its file is read and written in `files`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.guard.settings import OUTPUT, bundle_file
from engine.progress import Note
from guard.bundle.keys import load_private_key
from model.base import validate
from model.errors import InputError
from model.guard_bundle import AnyGuardConfig, GuardBundle, format_of
from model.json import parse_json
from model.loader import Document
from model.stacks import environment_of, server_of
from operations.guard_bundle.files import BundleFile, bundle_path
from operations.journal import Operation
from wire.readyz import NotAGuard, ReadyzClient, Silent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: Seconds between two requests to /readyz.
INTERVAL = 0.25


@dataclass(frozen=True)
class Delivered:
    """A bundle that was written; `denied` is its complete deny list."""

    file: Path
    sha256: str
    sequence: int
    admin_port: int | None
    denied: frozenset[str]


@dataclass(frozen=True)
class Proof:
    """The guard's answer about its bundle. `answered` is False where no guard of this server answered."""

    answered: bool
    in_force: bool
    text: str


@dataclass(frozen=True)
class Guards:
    """How new bundles reach guards: the signing key (without it none is written), the folder of bundles, and how many
    seconds to wait for a guard to put one in force."""

    key: Ed25519PrivateKey | None
    folder: Path
    wait: float


def guards_of(key: Path | None, bundles: Path, wait: float) -> Guards:
    """`Guards` from the command's options.

    Raises:
        InputError: the key cannot be used, or there is no such folder. A bundle that does not follow the one in force would
            let in everyone whom that one denies.
    """
    if not bundles.is_dir():
        raise InputError(f"{bundles} is no folder", key="--bundles", remedy="name the one that holds the bundles")
    return Guards(load_private_key(key) if key else None, bundles, wait)


def last_bundle(guards: Guards, stack: str) -> GuardBundle | None:
    """The server's last bundle in the folder; None where there is none, or no key to check it with.

    Raises:
        InputError: the file cannot be trusted, as no known key signed it for this server.
    """
    if guards.key is None:
        return None
    previous = BundleFile.open(bundle_path(guards.folder, stack), stack, guards.key).previous
    return previous.bundle if previous else None


def last_config(guards: Guards, stack: str) -> AnyGuardConfig | None:
    """The configuration in the server's last bundle; raises as `last_bundle`."""
    bundle = last_bundle(guards, stack)
    return bundle.config if bundle else None


def deployed_config(stack: str, exported: dict[str, Any]) -> AnyGuardConfig | None:
    """The guard configuration among a stack's outputs; None where there is none, or it is secret.

    Raises:
        InputError: the configuration is not in this version's format, or is another server's.
    """
    text = exported.get(OUTPUT)
    if not isinstance(text, str) or text == "[secret]":
        return None
    source = Path(f"{stack}: {OUTPUT}")
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InputError(f"is no guard configuration: {error}", file=source) from None
    config: AnyGuardConfig = validate(format_of(value), value, Document(source, value, {}), ())
    if (config.server.environment, config.server.name) != (environment_of(stack), server_of(stack)):
        raise InputError("is another server's configuration", file=source)
    return config


def warn_without_bundle(stack: str, folder: Path, note: Note) -> None:
    """Warn that a server's next bundle forgets the deny list of an earlier one that is not in the folder."""
    note(
        f"warning: {stack}: no bundle of it is in {folder.resolve()}, so whoever an earlier bundle denies is let in again; "
        "if there is one elsewhere, name its folder with --bundles and run this again"
    )


def write_bundle(
    operation: Operation,
    guards: Guards,
    stack: str,
    config: AnyGuardConfig,
    *,
    deny: Collection[str] = (),
    allow: Collection[str] = (),
) -> Delivered:
    """Sign `config` as the server's next bundle and put it where the last one is.

    Every principal that the last bundle denies stays denied, except those in `allow`.

    Raises:
        InputError: the last bundle cannot be trusted, so its deny list would be lost; nothing was written.
    """
    if guards.key is None:
        raise InputError("a bundle needs the key that signs it", key="--key")
    file = BundleFile.open(bundle_path(guards.folder, stack), stack, guards.key)
    denied = (file.denied | set(deny)) - set(allow)
    opened = file.write(config, denied)
    number = opened.bundle.sequence
    operation.step(stack, "bundle", "done", f"number {number} is signed and in {file.path}")
    return Delivered(file.path, opened.sha256, number, config.admin_port, denied)


def prove(
    operation: Operation,
    guards: Guards,
    stack: str,
    written: Delivered,
    word: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Report in a step whether the guard has put the bundle in force; `word` says what that means, such as "closed"."""
    proof = Proof(False, False, "it has no admin port")
    if written.admin_port is not None:
        proof = await_force(stack, written.admin_port, written.sha256, guards.wait, clock=clock)
    if proof.in_force:
        operation.step(stack, "guard", "done", f"{word}: {proof.text}")
    else:
        text = f"the guard has not confirmed that it is {word}: {proof.text}. "
        text += f"Copy {written.file} to the guard's host as {bundle_file(stack)}"
        if written.admin_port is not None:
            text += f"; there `curl -s http://127.0.0.1:{written.admin_port}/readyz` shows when it is in force"
        operation.step(stack, "guard", "waiting", text)


def await_force(
    stack: str,
    port: int,
    sha256: str,
    wait: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Proof:
    """Ask the guard's /readyz on this machine until the bundle is in force, for at most `wait` seconds.

    The port is on loopback. Where nothing answers the first request, the wait ends at once: no guard runs here.
    """
    until = clock() + wait
    with ReadyzClient(f"http://127.0.0.1:{port}") as guard:
        while True:
            proof = _ask(guard, stack, port, sha256)
            if proof.in_force or not proof.answered or clock() >= until:
                return proof
            sleep(INTERVAL)


def _ask(guard: ReadyzClient, stack: str, port: int, sha256: str) -> Proof:
    address = f"127.0.0.1:{port}"
    foreign = Proof(False, False, f"what answers on {address} is not the guard of {stack}")
    try:
        state = guard.read()
    except Silent:
        return Proof(False, False, f"no guard answers on {address}")
    except NotAGuard:
        return foreign
    if state.get("server") != stack:
        return foreign
    bundle = state["bundle"]
    if bundle.get("sha256") == sha256:
        return Proof(True, True, "the guard says that it is in force")
    problem = bundle.get("problem")
    reason = f" ({problem})" if isinstance(problem, str) else ""
    return Proof(True, False, f"the guard still has bundle {bundle.get('sequence')} in force{reason}")
