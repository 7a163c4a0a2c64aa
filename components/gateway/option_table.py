"""One kind of Kong object in the tables of options: where its behaviour is read, and each option's edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OptionTable:
    """One kind of Kong object: where its behaviour is read, and each option's edges. A key may name several options."""

    source: str
    rows: Mapping[str, str]

    @property
    def options(self) -> list[str]:
        return [option.strip() for row in self.rows for option in row.split(",")]
