"""The store of the stand-in services: one JSON file, written atomically and shared by every process that uses its folder.

Secrets are kept as salted hashes only: enough to see whether a value changed, never enough to read it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.private_folder import make_private
from sandbox.wire import Props, SecretValue, transform

FILE = "state.json"
HASHED = "$sha256"


@dataclass
class Record:
    """One object that a service holds. `outputs` is all its properties in wire form; secret ones are ``{"$sha256": …}``."""

    id: str
    type: str
    name: str
    outputs: Props


@dataclass
class World:
    """Everything the services hold, inside one transaction."""

    salt: str
    counter: int = 0
    records: list[Record] = field(default_factory=list)

    def records_of(self, type_: str) -> list[Record]:
        """Records of one type."""
        return [record for record in self.records if record.type == type_]

    def find(self, type_: str, id_: str) -> Record | None:
        """The record with this id, or None."""
        return next((record for record in self.records_of(type_) if record.id == id_), None)

    def mint(self, *parts: str) -> str:
        """64 hex digits that no other call in this sandbox gets, the same in every run of the same calls."""
        self.counter += 1
        return hashlib.sha256("\0".join([*parts, str(self.counter)]).encode()).hexdigest()

    def mint_uuid(self, *parts: str) -> str:
        """As `mint`, shaped as a UUID."""
        return str(uuid.UUID(hex=self.mint(*parts)[:32], version=4))

    def hashed(self, value: Any) -> dict[str, str]:
        """The stored form of a secret."""
        text = json.dumps(value, sort_keys=True, default=str).encode()
        return {HASHED: hmac.new(bytes.fromhex(self.salt), text, hashlib.sha256).hexdigest()}

    def stored(self, props: Props) -> Props:
        """Properties with every `SecretValue` replaced by its hash."""
        hashed: Props = transform(
            props, lambda item: self.hashed(item.value) if isinstance(item, SecretValue) else item
        )
        return hashed


class Store:
    """The state folder. Use `transaction` for every access that may change something; nothing is cached between two.

    `watchers` are shown all records after each transaction that changed something, before the next one begins.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watchers: list[Callable[[Sequence[Record]], None]] = []
        self._lock = threading.Lock()
        self._parsed: tuple[tuple[int, int, int], World] | None = None
        make_private(folder)

    @contextmanager
    def transaction(self) -> Iterator[World]:
        """Read, let the caller change, write. An exception leaves the file as it was."""
        with self._lock, (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before, world = self._load()
            yield world
            after = self._dump(world)
            if after != before:
                temporary = self.folder / f".{FILE}.{os.getpid()}"
                temporary.write_text(after, encoding="utf-8")
                temporary.replace(self.folder / FILE)
                for watcher in self.watchers:
                    watcher(world.records)

    @contextmanager
    def reading(self) -> Iterator[World]:
        """What is stored, for a caller who changes nothing: parsed anew only where the file was replaced."""
        with self._lock, (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                status = (self.folder / FILE).stat()
            except FileNotFoundError:
                yield self._load()[1]
                return
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._parsed is None or self._parsed[0] != stamp:
                self._parsed = (stamp, self._load()[1])
            yield self._parsed[1]

    def _load(self) -> tuple[str, World]:
        path = self.folder / FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return "", World(salt=secrets.token_hex(16))
        try:
            data = json.loads(text)
            records = [Record(**record) for record in data["records"]]
            return text, World(salt=data["salt"], counter=data["counter"], records=records)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"not sandbox state ({error})", file=path, remedy="remove it to start empty") from error

    @staticmethod
    def _dump(world: World) -> str:
        records = [vars(record) for record in world.records]
        return json.dumps({"salt": world.salt, "counter": world.counter, "records": records}, indent=1)


def unhash(stored: Any, known: Any, world: World) -> Any:
    """Stored properties with hashes opened again from `known`, the engine's own copy.

    A hash that `known` does not match stands for a value changed or never seen here (an import): it stays a secret
    saying so.
    """
    if isinstance(stored, dict) and HASHED in stored:
        plain = known.value if isinstance(known, SecretValue) else known
        if plain is not None and world.hashed(plain) == stored:
            return known
        return SecretValue(f"[not known to the sandbox: {stored[HASHED][:12]}]")
    if isinstance(stored, dict):
        source = known if isinstance(known, dict) else {}
        return {key: unhash(item, source.get(key), world) for key, item in stored.items()}
    if isinstance(stored, list):
        source_list = known if isinstance(known, list) else []
        pad = [*source_list, *[None] * len(stored)]
        return [unhash(item, pad[index], world) for index, item in enumerate(stored)]
    return stored
