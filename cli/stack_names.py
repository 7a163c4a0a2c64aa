"""The names of a project's stacks, for completion: by file names alone, as the models take 0.2 s to import."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = re.compile(r"^stackConfigDir:\s*[\"']?(?P<folder>[^\s\"'#]+)", re.MULTILINE)
_FILE = re.compile(r"Pulumi\.(?P<stack>.+)\.ya?ml")


def stack_names(start: Path) -> list[str]:
    """The stacks of the project of `start` or of the nearest folder above it; none where there is no project."""
    start = start.absolute()
    folder = next((folder for folder in (start, *start.parents) if (folder / "Pulumi.yaml").is_file()), None)
    if folder is None:
        return []
    place = _FOLDER.search((folder / "Pulumi.yaml").read_text(encoding="utf-8", errors="replace"))
    files = (
        _FILE.fullmatch(path.name) for path in (folder / (place["folder"] if place else ".")).glob("Pulumi.*.y*ml")
    )
    return sorted(match["stack"] for match in files if match)
