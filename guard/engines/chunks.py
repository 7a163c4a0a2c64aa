"""The text that a vendor receives: one message part as readable text, cut into overlapping pieces. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guard.inspect.verdict import ScanItem
from wire.json import dump, parse


def split(text: str, size: int, overlap: int) -> list[str]:
    """Pieces of at most `size` characters, each beginning with the last `overlap` characters of the one before.

    A phrase no longer than `overlap` is complete in at least one piece, so that a cut cannot hide it.
    """
    if not 0 <= overlap < size:
        raise ValueError("the overlap must be smaller than a piece")
    if len(text) <= size:
        return [text]
    step = size - overlap
    return [text[start : start + size] for start in range(0, len(text) - overlap, step)]


def readable(item: ScanItem) -> str:
    """The message part as a person would read it: one member a line, with keys and numbers, nothing escaped.

    Text that the document holds encoded (base64) follows decoded. Raises Malformed when the document is not JSON.
    """
    value = parse(item.document.encode())
    return "\n".join([*_lines("", value), *hidden(item, value)])


def hidden(item: ScanItem, value: Any) -> list[str]:
    """Texts of `item` that are no string of its document's `value`: decoded text that an engine would not see."""
    strings = set(_strings(value))
    return [text.value for text in item.texts if text.value not in strings]


def _lines(key: str, value: Any) -> Iterator[str]:
    prefix = f"{key}: " if key else ""
    if isinstance(value, dict):
        if key:
            yield f"{key}:"
        for name, child in value.items():
            yield from _lines(name, child)
    elif isinstance(value, list):
        # The key once, not for every element: a long key over many elements would make the text grow without bounds.
        if key:
            yield f"{key}:"
        for child in value:
            yield from _lines("", child)
    elif isinstance(value, str):
        yield prefix + value
    else:
        yield prefix + dump(value).decode()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from _strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child)
