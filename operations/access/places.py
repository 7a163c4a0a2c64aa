"""Where in the files a setting of a server or model route stands: in its own stack file, its environment's, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.errors import InputError
from model.loader import Document, KeyPath, read
from model.stacks import ENVIRONMENT_KEY, PerimeterStack, ServerStack
from model.tool_lock import EntryKind


@dataclass(frozen=True)
class FilePlace:
    """A key of a file and the line where it stands. A setting that no file gives has no line: it is a default."""

    file: Path
    line: int | None
    key: str

    def relative(self, root: Path) -> str:
        """The file by its path below `root`, where it stands there."""
        return self.file.relative_to(root).as_posix() if self.file.is_relative_to(root) else str(self.file)

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}" if self.line else f"{self.file.name}, {self.key} by default"


def server_place(server: PerimeterStack, *key: str | int) -> FilePlace:
    """Where a key stands: the stack's own file, else the environment's defaults or the key that they follow from."""
    direct, inherited = (("config", server.config_key, *key), ("config", ENVIRONMENT_KEY, "defaults", *key))
    if direct in server.document.lines:
        return _place(server.document, direct)
    environment = server.environment.document
    if isinstance(server, ServerStack) and inherited in environment.lines:
        return _place(environment, inherited)
    if key == ("countries",):
        return environment_place(server, "countries")
    return FilePlace(server.document.file, None, ".".join(map(str, key)))


def environment_place(server: PerimeterStack, *key: str | int) -> FilePlace:
    """Where a key of the environment stands."""
    return _place(server.environment.document, ("config", ENVIRONMENT_KEY, *key))


def lock_place(server: ServerStack, kind: EntryKind, name: str) -> FilePlace:
    """Where the tool lock has an entry; the file's first line where it has none."""
    entries = server.lock.entries()[kind]
    index = next((number for number, entry in enumerate(entries) if entry.key == name), None)
    path: KeyPath = (kind,) if index is None else (kind, index)
    try:
        return _place(read(server.lock_file), path)
    except InputError:  # a lock of JSON text has no lines
        return FilePlace(server.lock_file, 1, kind)


def _place(document: Document, path: KeyPath) -> FilePlace:
    return FilePlace(document.file, document.line(path), ".".join(map(str, path[2:])) or "the file")
