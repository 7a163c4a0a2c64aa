"""Finding a usable Pulumi engine, and why each candidate was or was not taken. Nothing is downloaded here."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.errors import EngineMissing

PINNED = "3.256.0"
BELOW = "4"
VARIABLE = "RINGWALL_ENGINE"
REMEDY = "run `ringwall engine install`; `ringwall plan` needs no engine"

Source = Literal["environment", "path", "cache"]


@dataclass(frozen=True)
class Engine:
    """One usable engine: the `pulumi` executable, its version without ``v``, and where it was found."""

    path: Path
    version: str
    source: Source


@dataclass(frozen=True)
class Candidate:
    """A place where an engine may be. `selected` is true for one at most; `reason` says why it is usable, or why not."""

    source: Source
    path: Path | None
    version: str | None
    usable: bool
    selected: bool
    reason: str


def cache_path() -> Path:
    """Where `ringwall engine install` puts the pinned engine (XDG: a relative variable does not count)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "ringwall" / "engine" / f"v{PINNED}" / "pulumi"


def checksum_path(engine: Path) -> Path:
    """The record beside a cached engine; see `write_checksum`."""
    return engine.with_name("pulumi.sha256")


def find() -> Engine | None:
    """The engine to use, or None. `RINGWALL_ENGINE`, when set, decides alone: a wrong one is not passed over."""
    for candidate in _candidates(full=False):
        if candidate.usable and candidate.path is not None and candidate.version is not None:
            return Engine(candidate.path, candidate.version, candidate.source)
    return None


def require() -> Engine:
    """The engine to use. Raises `EngineMissing` naming what is wrong and what installs it."""
    engine = find()
    if engine is None:
        reasons = "; ".join(candidate.reason for candidate in _candidates(full=False))
        raise EngineMissing(f"no usable Pulumi engine ({reasons})", remedy=REMEDY)
    return engine


def explain() -> list[Candidate]:
    """Every place that is looked at, in order, with the cached engine's checksum verified in full."""
    candidates: list[Candidate] = []
    for candidate in _candidates(full=True):
        if candidate.usable and any(earlier.selected for earlier in candidates):
            candidate = _replace(candidate, reason=f"{candidate.reason}; not needed, an earlier one is taken")
        elif candidate.usable:
            candidate = _replace(candidate, selected=True)
        candidates.append(candidate)
    return candidates


def _candidates(*, full: bool) -> list[Candidate]:
    named = os.environ.get(VARIABLE)
    if named:
        return [_judge("environment", Path(named).expanduser(), f"{VARIABLE}={named}")]
    on_path = shutil.which("pulumi")
    first = _judge("path", Path(on_path), on_path) if on_path else _no("path", None, "no pulumi on PATH")
    return [first, _judge_cached(cache_path(), full=full)]


def _judge(source: Source, path: Path, shown: str) -> Candidate:
    if not path.is_file() or not os.access(path, os.X_OK):
        return _no(source, path, f"{shown} is not an executable file")
    version = version_of(path)
    if version is None:
        return _no(source, path, f"{shown} does not answer `version` with a version")
    if not supported(version):
        return Candidate(source, path, version, False, False, f"{shown} is {version}; needed: >={PINNED},<{BELOW}")
    return Candidate(source, path, version, True, False, f"{shown} is {version}")


def _judge_cached(path: Path, *, full: bool) -> Candidate:
    if not path.exists():
        return _no("cache", path, f"nothing installed at {path}")
    wrong = verify(path, full=full)
    if wrong is not None:
        return _no("cache", path, f"{path} {wrong}")
    checked = "checksum verified" if full else "checksum record matches"
    return Candidate("cache", path, PINNED, True, False, f"{path} is {PINNED}, {checked}")


def _no(source: Source, path: Path | None, reason: str) -> Candidate:
    return Candidate(source, path, None, False, False, reason)


def _replace(candidate: Candidate, *, selected: bool = False, reason: str | None = None) -> Candidate:
    return Candidate(
        candidate.source, candidate.path, candidate.version, candidate.usable, selected, reason or candidate.reason
    )


def version_of(path: Path) -> str | None:
    """What the executable says its version is, without ``v``; None if it does not say so within 20 seconds."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _version_said(path, status.st_mtime_ns, status.st_size)


@functools.cache  # the engine takes a fifth of a second to say it, and a command looks for its engine a few times
def _version_said(path: Path, changed: int, size: int) -> str | None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [str(path), "version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"v?(\d+\.\d+\.\d+\S*)", answer.stdout.strip())
    return match.group(1) if match and answer.returncode == 0 else None


def supported(version: str) -> bool:
    """Whether Ringwall runs with this version: at least the pinned one, same major. Pre-releases do not count."""
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:\+\S*)?", version)
    if match is None:
        return False
    numbers = tuple(int(part) for part in match.groups())
    return tuple(int(part) for part in PINNED.split(".")) <= numbers < (int(BELOW), 0, 0)


def digest(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_checksum(path: Path) -> None:
    """Record hash, size and modification time of a freshly installed engine beside it."""
    status = path.stat()
    text = f"{digest(path)}  {path.name}\n# size {status.st_size} mtime_ns {status.st_mtime_ns}\n"
    checksum_path(path).write_text(text, encoding="ascii")


def verify(path: Path, *, full: bool) -> str | None:
    """What is wrong with a cached engine, or None.

    The quick form compares size and modification time with the record and refuses files others may write; it hashes the
    file where its time is another one, and `full` always does.
    """
    try:
        record = checksum_path(path).read_text(encoding="ascii")
        status = path.stat()
        folder = path.parent.stat()
    except (OSError, UnicodeDecodeError) as error:
        return f"has no readable checksum record ({error.__class__.__name__}); remove its folder"
    match = re.fullmatch(r"([0-9a-f]{64})  \S+\n# size (\d+) mtime_ns (\d+)\n", record)
    if match is None:
        return "has a malformed checksum record; remove its folder"
    if (status.st_mode | folder.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        return "may be written by other users; run chmod go-w on it and its folder"
    if status.st_uid not in (os.getuid(), 0):
        return "belongs to another user; remove it"
    if not os.access(path, os.X_OK):
        return "is not executable; remove its folder"
    size, modified = int(match.group(2)), int(match.group(3))
    # A copy of the folder has other times and the same bytes.
    hashed = full or status.st_mtime_ns != modified
    if status.st_size != size or (hashed and digest(path) != match.group(1)):
        return "was changed after it was installed; remove its folder"
    return None
