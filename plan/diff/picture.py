"""What a picture of the four rings shows, counted from the changes. The pictures are drawn in `html` and `mermaid`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plan.diff.model import Change, Direction, Grouped, grouped
from plan.rings import RINGS


@dataclass(frozen=True)
class RingSummary:
    """One ring: how many changes go which way, and the heaviest of them."""

    name: str
    loosens: int
    tightens: int
    neutral: int
    top: tuple[Grouped, ...]

    @property
    def state(self) -> str:
        """``loosens``, ``tightens``, ``neutral`` or ``same``, the worst first."""
        if self.loosens:
            return "loosens"
        return "tightens" if self.tightens else "neutral" if self.neutral else "same"

    @property
    def words(self) -> str:
        counts = ((self.loosens, "loosen"), (self.tightens, "tighten"), (self.neutral, "neutral"))
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "unchanged"


def rings(changes: Iterable[Change], top: int = 3) -> list[RingSummary]:
    """The rings from the outside in, each with its `top` heaviest changes."""
    all_changes = list(changes)
    summaries = []
    for name in RINGS:
        ring_changes = [c for c in all_changes if c.ring == name]
        counts = [sum(c.direction is d for c in ring_changes) for d in Direction]
        summaries.append(RingSummary(name, counts[0], counts[1], counts[2], tuple(grouped(ring_changes)[:top])))
    return summaries
