"""Pulumi's own YAML reader: the Go module and version that the engine is built with, behind a small program.

`encoding.YAML` of pulumi/sdk reads stack files with ``yaml.Unmarshal`` of gopkg.in/yaml.v3.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from model.errors import InputError
from model.loader import Json, parse

_MODULE = "gopkg.in/yaml.v3"
_ENGINE = Path(engine.__file__).parent


@dataclass(frozen=True)
class Answer:
    value: Any
    error: str | None


def missing() -> str | None:
    """Why the reader cannot be built here; None where it can."""
    return None if shutil.which("go") else "Go is not on PATH, and Pulumi's YAML reader is written in Go"


def build(folder: Path) -> Path:
    """Build the program in `folder`, with the version and checksums of the engine's module."""
    version = re.search(rf"{re.escape(_MODULE)} (v\S+)", (_ENGINE / "go.mod").read_text(encoding="utf-8"))
    assert version is not None, f"engine/go.mod names no {_MODULE}"
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).with_suffix(".go"), folder / "main.go")
    shutil.copy(_ENGINE / "go.sum", folder)
    (folder / "go.mod").write_text(f"module reader\n\ngo 1.25\n\nrequire {_MODULE} {version[1]}\n", encoding="utf-8")
    done = subprocess.run(
        ["go", "build", "-o", "reader", "."],
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "reader"


def read(program: Path, texts: Sequence[str]) -> list[Answer]:
    """What Pulumi's reader makes of each text."""
    done = subprocess.run([str(program)], input=json.dumps(list(texts)), capture_output=True, text=True, check=True)
    return [Answer(found["value"], found.get("error")) for found in json.loads(done.stdout)]


def disagreements(program: Path, texts: Iterable[str]) -> tuple[int, list[str]]:
    """How many texts Ringwall reads, and those of them that Pulumi refuses or reads as something else."""
    ours: dict[str, Json] = {}
    for text in texts:
        try:
            ours[text] = parse(text, Path("f.yaml")).value
        except InputError:
            continue
    found = []
    for (text, value), theirs in zip(ours.items(), read(program, list(ours)), strict=True):
        if theirs.error is not None:
            found.append(f"{text!r}: Ringwall reads {value!r}, Pulumi: {theirs.error}")
        elif not _same(value, theirs.value):
            found.append(f"{text!r}: Ringwall reads {value!r}, Pulumi {theirs.value!r}")
    return len(ours), found


def _same(ours: Json, theirs: Any) -> bool:
    """Equal, and not only to Python, which takes True for 1."""
    if isinstance(ours, dict):
        return (
            isinstance(theirs, dict)
            and ours.keys() == theirs.keys()
            and all(_same(value, theirs[key]) for key, value in ours.items())
        )
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)
