"""Grantees and budgets in a reviewer's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def budget_words(budget: Any) -> str:
    """A model route's budget: ``60 requests a minute, cost 5.00 a day``; empty where it has none."""
    parts = []
    for key, value in (budget or {}).items():
        unit, _, period = str(key).partition("_per_")
        if value is not None and period:
            parts.append(
                f"cost {value} a {period}" if unit == "cost" else f"{value} {unit} a{'n' * (period == 'hour')} {period}"
            )
    return ", ".join(parts)


def grantees_words(to: Mapping[str, Any]) -> str:
    """Whom a grant is for, from its `to`: the names of all kinds, or everyone."""
    if to.get("all"):
        return "everyone admitted"
    return first_names([str(name) for _, names in sorted(to.items()) if isinstance(names, list) for name in names])


def first_names(names: Sequence[str], most: int = 12) -> str:
    """The first of the names, and how many more there are; nobody where there is none."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nobody"
