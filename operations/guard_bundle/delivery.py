"""A new bundle for a guard, and the proof that the guard took it: signed here, put where the last one is, polled for."""

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
from model.guard_config import GuardBundle, GuardConfig
from model.json import parse_json
from model.loader import Document
from model.stacks import environment_of, server_of
from operations.guard_bundle.files import BundleFile, bundle_path
from operations.journal import Operation
from wire.readyz import NotAGuard, ReadyzClient, Silent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: Seconds between two looks at /readyz.
INTERVAL = 0.25


@dataclass(frozen=True)
class Delivered:
    """A bundle that was written. `denied` is its whole deny list."""

    file: Path
    sha256: str
    sequence: int
    admin_port: int | None
    denied: frozenset[str]


@dataclass(frozen=True)
class Proof:
    """What a guard says of itself. `there` is False where no guard of this server answered."""

    there: bool
    in_force: bool
    text: str


@dataclass(frozen=True)
class Guards:
    """How guards are told: the key that signs (None: nobody is told), where bundles are, how long one is waited for."""

    key: Ed25519PrivateKey | None
    folder: Path
    wait: float


def guards_of(key: Path | None, bundles: Path, wait: float) -> Guards:
    """How guards are told, as the options say.

    Raises:
        InputError: the key cannot be used, or there is no such folder: a bundle signed beside the one in force would deny
            nobody whom that one denies.
    """
    if not bundles.is_dir():
        raise InputError(f"{bundles} is no folder", key="--bundles", remedy="name the one that holds the bundles")
    return Guards(load_private_key(key) if key else None, bundles, wait)


def last_bundle(guards: Guards, stack: str) -> GuardBundle | None:
    """The bundle that is there, if it is this key's; None where there is none.

    Raises:
        InputError: what is there cannot be trusted.
    """
    if guards.key is None:
        return None
    previous = BundleFile.open(bundle_path(guards.folder, stack), stack, guards.key).previous
    return previous.bundle if previous else None


def last_config(guards: Guards, stack: str) -> GuardConfig | None:
    """Its configuration; raises as `last_bundle`."""
    bundle = last_bundle(guards, stack)
    return bundle.config if bundle else None


def deployed_config(stack: str, exported: dict[str, Any]) -> GuardConfig | None:
    """The guard configuration among a stack's outputs; None where there is none to read.

    Raises:
        InputError: it is not of this version's format, or another server's.
    """
    text = exported.get(OUTPUT)
    if not isinstance(text, str) or text == "[secret]":
        return None
    where = Path(f"{stack}: {OUTPUT}")
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InputError(f"is no guard configuration: {error}", file=where) from None
    config = validate(GuardConfig, value, Document(where, value, {}), ())
    if (config.server.environment, config.server.name) != (environment_of(stack), server_of(stack)):
        raise InputError("is another server's configuration", file=where)
    return config


def warn_without_bundle(stack: str, folder: Path, note: Note) -> None:
    """Say what signing a server's next bundle means where its last one is not to be seen."""
    note(
        f"warning: {stack}: no bundle of it is in {folder.resolve()}, so whoever an earlier one denies is let in again; "
        "where there is one, name its folder with --bundles and run this again"
    )


def write_bundle(
    operation: Operation,
    guards: Guards,
    stack: str,
    config: GuardConfig,
    *,
    deny: Collection[str] = (),
    allow: Collection[str] = (),
) -> Delivered:
    """Sign `config` as the server's next bundle and put it where the last one is.

    Whoever the bundle there denies stays denied, but for `allow`.

    Raises:
        InputError: the bundle there cannot be trusted, so that its deny list would be lost; nothing was written.
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
    """A step that says whether the guard has the bundle in force; `word` is what that means for the server."""
    proof = Proof(False, False, "it has no admin port")
    if written.admin_port is not None:
        proof = await_force(stack, written.admin_port, written.sha256, guards.wait, clock=clock)
    if proof.in_force:
        operation.step(stack, "guard", "done", f"{word}: {proof.text}")
    else:
        text = f"whether it is {word} is not known: {proof.text}. "
        text += f"Bring {written.file} to the guard's host as {bundle_file(stack)}"
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

    The port is loopback only. Where nobody answers at once, nobody is waited for.
    """
    until = clock() + wait
    with ReadyzClient(f"http://127.0.0.1:{port}") as guard:
        while True:
            proof = _look(guard, stack, port, sha256)
            if proof.in_force or not proof.there or clock() >= until:
                return proof
            sleep(INTERVAL)


def _look(guard: ReadyzClient, stack: str, port: int, sha256: str) -> Proof:
    where = f"127.0.0.1:{port}"
    other = Proof(False, False, f"what answers on {where} is not the guard of {stack}")
    try:
        state = guard.read()
    except Silent:
        return Proof(False, False, f"no guard answers on {where}")
    except NotAGuard:
        return other
    if state.get("server") != stack:
        return other
    bundle = state["bundle"]
    if bundle.get("sha256") == sha256:
        return Proof(True, True, "the guard says that it is in force")
    problem = bundle.get("problem")
    why = f" ({problem})" if isinstance(problem, str) else ""
    return Proof(True, False, f"the guard still has bundle {bundle.get('sequence')} in force{why}")
