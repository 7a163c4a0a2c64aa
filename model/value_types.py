"""Classes of values that are made for every message: unchangeable for the type checker, and plain objects at run time.

A frozen dataclass sets each of its fields through `object.__setattr__`, which costs three to five times the assignment;
one call makes some forty values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_type(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """A dataclass with slots, equality and a hash, whose fields nobody may set, as the type checker sees to."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
