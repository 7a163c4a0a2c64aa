"""A file of a host, and the folder they are written to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The list of a host's files in its folder.
LIST = "host.json"
#: What an offline plan has in place of an id that only a deployment knows.
_UNKNOWN = re.compile(r"\$\{[a-z][a-z0-9.-]*\.[a-z_]+\}")


@dataclass(frozen=True)
class HostFile:
    """A file below a host's folder. What is below `root/` belongs to the same path of the machine."""

    path: str
    content: str
    mode: int = 0o644

    @property
    def sha256(self) -> str:
        return "sha256:" + hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def unknown_ids(self) -> tuple[str, ...]:
        """The ids in it that only a deployment knows."""
        return tuple(dict.fromkeys(_UNKNOWN.findall(self.content)))


def with_list(
    files: Sequence[HostFile],
    *,
    environment: str,
    host: str,
    layout: str,
    images: Mapping[str, str],
    db_less: bool = False,
) -> tuple[HostFile, ...]:
    """The files in order of their paths, and the list of them."""
    ordered = sorted(files, key=lambda file: file.path)
    document: dict[str, Any] = {
        "version": 1,
        "environment": environment,
        "host": host,
        "format": layout,
        "images": dict(images),
        "files": {file.path: {"mode": f"{file.mode:04o}", "sha256": file.sha256} for file in ordered},
    }
    if db_less:
        document["db_less"] = True
    return (*ordered, HostFile(LIST, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"))
