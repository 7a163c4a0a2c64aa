"""One ring's answer to a question, with the place in the files that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from operations.access.places import FilePlace


@dataclass(frozen=True)
class RingAnswer:
    """What one ring says. `effect` is ``passes``, ``refuses``, ``depends`` (on what only a request shows) or ``note``.

    `remedy` is the narrow change that would allow it, `example` lines of YAML that show it.
    """

    ring: str
    effect: Literal["passes", "refuses", "depends", "note"]
    text: str
    place: FilePlace | None = None
    remedy: str | None = None
    example: tuple[str, ...] = ()

    def as_json(self, root: Path) -> dict[str, Any]:
        """For programs; the file by its path below `root`."""
        return {
            "ring": self.ring,
            "effect": self.effect,
            "text": self.text,
            "file": None if self.place is None else self.place.relative(root),
            "line": None if self.place is None else self.place.line,
            "key": None if self.place is None else self.place.key,
            "remedy": self.remedy,
            "example": "\n".join(self.example) or None,
        }
