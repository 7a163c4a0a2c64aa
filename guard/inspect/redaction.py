"""Cuts secrets and personal data out of a JSON value, at the places that engines are certain of.

A finding that cannot be cut exactly is an error, and the caller blocks: a wrong cut would leave half a secret behind.
What a message says wrongly about its own bytes is put right here as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guard.inspect.verdict import Category, EngineFinding

_MARKS = {Category.SECRET: "[redacted:secret]", Category.PERSONAL_DATA: "[redacted:personal data]"}


def redact(value: Any, findings: Sequence[EngineFinding]) -> tuple[Any, int]:
    """A deep copy of `value` with every finding's span replaced, and the number of cuts; overlapping spans are one cut.

    Raises ValueError when a finding is of another category, has no span, or does not point at a string of `value`
    (RFC 6901); a pointer that ends in ``#`` may mean a key, which is never cut.
    """
    places: dict[str, list[tuple[int, int, Category]]] = {}
    for finding in findings:
        if finding.category not in _MARKS:
            raise ValueError("a finding of this category cannot be cut out")
        if finding.span is None:
            raise ValueError("a finding does not say where it stands")
        places.setdefault(finding.pointer, []).append((*finding.span, finding.category))
    copied = _copy(value)
    cuts = 0
    for pointer, spans in places.items():
        if pointer == "":
            copied, count = _cut(copied, spans)
        else:
            parent, key = _parent(copied, pointer)
            parent[key], count = _cut(parent[key], spans)
        cuts += count
    return copied, cuts


def corrected(value: Any, replacements: Mapping[str, str]) -> Any:
    """`value`, or a deep copy of it with these strings in place of those at the pointers, which exist."""
    if not replacements:
        return value
    copied = _copy(value)
    for pointer, text in replacements.items():
        parent, key = _parent(copied, pointer)
        parent[key] = text
    return copied


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_copy(child) for child in value]
    return value


def _parent(value: Any, pointer: str) -> tuple[Any, Any]:
    """The container that holds the place, and its key or index."""
    if not pointer.startswith("/") or pointer.endswith("#"):
        raise ValueError("a finding points at no string")
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
    for part in parents:
        value = value[_step(value, part)]
    return value, _step(value, last)


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict) and part in value:
        return part
    if (
        isinstance(value, list)
        and part.isascii()
        and part.isdigit()
        and str(int(part)) == part
        and int(part) < len(value)
    ):
        return int(part)
    raise ValueError("a finding points at no string")


def _cut(text: Any, spans: list[tuple[int, int, Category]]) -> tuple[str, int]:
    if not isinstance(text, str):
        raise ValueError("a finding points at no string")
    merged: list[tuple[int, int, Category]] = []
    for start, end, category in sorted(spans):
        if not 0 <= start < end <= len(text):
            raise ValueError("a finding stands outside of its string")
        if merged and start < merged[-1][1]:
            first, last, kind = merged[-1]
            merged[-1] = (first, max(last, end), kind if kind is Category.SECRET else category)
        else:
            merged.append((start, end, category))
    pieces: list[str] = []
    position = 0
    for start, end, category in merged:
        pieces += (text[position:start], _MARKS[category])
        position = end
    return "".join((*pieces, text[position:])), len(merged)
