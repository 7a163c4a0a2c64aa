"""The file that says up to which record a destination has the log. It is written once the destination has the records."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any, Self

from model.errors import InputError
from model.files import read_bytes, write_atomically
from model.json import parse_json


class Position:
    """One destination's place in one log. Two exports never share a position: the second is refused."""

    def __init__(self, file: Path, destination: str) -> None:
        self.file = file
        self.destination = destination
        self.sequence = 0
        self.hash: str | None = None
        self._server: str | None = None
        self._lock: int | None = None

    @classmethod
    def open(cls, file: Path, destination: str) -> Self:
        """Read the file, or begin a new one. Raises InputError."""
        position = cls(file, destination)
        position._take_lock()
        try:
            text = read_bytes(file).decode("utf-8")
        except FileNotFoundError:
            return position
        except (OSError, UnicodeDecodeError) as error:
            position.close()
            raise InputError(f"cannot be read ({type(error).__name__})", file=file, key="--position") from None
        try:
            position._read(parse_json(text))
        except (ValueError, KeyError, TypeError):
            position.close()
            raise InputError(
                "is not a position of `ringwall audit export`", file=file, key="--position", remedy="name another file"
            ) from None
        except InputError:
            position.close()
            raise
        return position

    def _read(self, value: Any) -> None:
        if value["version"] != 1 or type(value["sequence"]) is not int or not isinstance(value["hash"], str):
            raise ValueError
        if value["destination"] != self.destination:
            raise InputError(
                f"is the position of {value['destination']}",
                file=self.file,
                key="--position",
                remedy="give each destination a file of its own",
            )
        self.sequence, self.hash, self._server = value["sequence"], value["hash"], value["server"]

    def move(self, server: str, sequence: int, digest: str) -> None:
        """Note that the destination has every record up to this one. Raises InputError where it cannot be written."""
        if self._server not in (None, server):
            raise InputError(
                f"is the position in the log of {self._server}, and this is that of {server}",
                file=self.file,
                key="--position",
                remedy="give each log a file of its own",
            )
        content = {
            "version": 1,
            "server": server,
            "destination": self.destination,
            "sequence": sequence,
            "hash": digest,
        }
        try:
            write_atomically(self.file, json.dumps(content, indent=2).encode() + b"\n", 0o600)
        except OSError as error:
            raise InputError(
                f"cannot be written ({error.strerror})", file=self.file, key="--position", remedy="name another file"
            ) from None
        self.sequence, self.hash, self._server = sequence, digest, server

    def _take_lock(self) -> None:
        path = self.file.with_name(f".{self.file.name}.lock")
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise InputError(
                "another export uses this position", file=self.file, key="--position", remedy="end that one first"
            ) from None
        except OSError as error:
            raise InputError(
                f"cannot be written ({error.strerror})", file=self.file, key="--position", remedy="name another file"
            ) from None

    def close(self) -> None:
        """Let another export use the position."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None
