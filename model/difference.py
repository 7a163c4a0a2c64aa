"""Where two JSON values differ, in the two notations that Ringwall shows: JSON pointers and Pulumi's property paths.

`pointers` is exact: it compares definitions of a tool lock by their digests, entry by entry. `differences` and `subset`
compare values that providers hold, so JSON text equals the object it holds, and 1.0 equals 1. Masking and layout of what
is shown belong to the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from model.canonical import digest
from model.masking import is_marked_secret, open_json
from model.text import visible

MAX_SHOWN = 160
#: One element of a path: a quoted name, a place in a list, or a name.
_ELEMENT = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)')


@dataclass(frozen=True)
class ValueChange:
    """One place inside a definition that changed. A side is short readable JSON, or None where the place is absent."""

    pointer: str
    before: str | None
    after: str | None


def pointers(before: Any, after: Any, pointer: str = "") -> Iterator[ValueChange]:
    """Every place where two JSON values differ, as JSON pointers (RFC 6901), sorted."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            member = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in before:
                yield ValueChange(member, None, short_json(after[key]))
            elif key not in after:
                yield ValueChange(member, short_json(before[key]), None)
            else:
                yield from pointers(before[key], after[key], member)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (before_item, after_item) in enumerate(zip(before, after, strict=True)):
            yield from pointers(before_item, after_item, f"{pointer}/{index}")
    elif digest(before) != digest(after):
        yield ValueChange(pointer, short_json(before), short_json(after))


def short_json(value: Any) -> str:
    """A value as JSON on one line; a long one is cut, with its digest."""
    text = visible(json.dumps(value, ensure_ascii=False, sort_keys=True))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters, {digest(value)[:19]}…)"


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of every leaf that differs. JSON text, such as a plugin's configuration, is opened. A list of
    plain values is one leaf; one of objects, such as a tunnel's ingress rules, is compared entry by entry."""
    before, after = _opened(before), _opened(after)
    if before == after:
        return
    if (
        isinstance(before, dict)
        and isinstance(after, dict)
        and not (is_marked_secret(before) or is_marked_secret(after))
    ):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key), after.get(key), _below(path, str(key)))
        return
    if (
        isinstance(before, list)
        and isinstance(after, list)
        and any(isinstance(entry, dict) for entry in before + after)
    ):
        yield from _entries(before, after, path)
        return
    yield path, before, after


def path_elements(path: str) -> list[str | int]:
    """``a["b.c"][1].d`` as [a, b.c, 1, d]; the bridge writes ``a.["b.c"]``."""
    return [
        int(index) if index else (re.sub(r"\\(.)", r"\1", key) if key else plain)
        for key, index, plain in _ELEMENT.findall(path)
    ] or [path]


def _below(path: str, key: str) -> str:
    if any(sign in key for sign in '."[]'):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _entries(before: list[Any], after: list[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    """Differences of two lists of objects. An entry that stands on both sides is equal wherever it stands; the remaining
    entries are compared in pairs, in their order."""
    removed, added = without(before, after), without(after, before)
    if not removed and not added:
        yield path, before, after
    for old, new in zip_longest(removed, added):
        place = f"{path}[{(new or old)[0]}]"
        if old is None or new is None:
            yield place, old and old[1], new and new[1]
        else:
            yield from differences(old[1], new[1], place)


def without(entries: list[Any], counterparts: list[Any]) -> list[tuple[int, Any]]:
    """(index, entry) of each of `entries` that has no equal in `counterparts`; each counterpart counts once."""
    unmatched = list(counterparts)
    missing = []
    for place, entry in enumerate(entries):
        if entry in unmatched:
            unmatched.remove(entry)
        else:
            missing.append((place, entry))
    return missing


def subset(expected: Any, real: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, expected, real) of every expected key whose real value differs; keys that only `real` has do not count.

    An absent key, null and an empty list are equal, as they are to Kong.
    """
    if isinstance(expected, dict) and isinstance(real, dict):
        for key, value in expected.items():
            yield from subset(value, real.get(key), f"{path}.{key}" if path else key)
    elif _comparable(expected) != _comparable(real):
        yield path, expected, real


def _comparable(value: Any) -> Any:
    if value in (None, [], {}):
        return None
    value = _opened(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value


def _opened(value: Any) -> Any:
    """A value as the vendors compare it: JSON text of an object is read as that object, and a whole float as an integer."""
    if isinstance(value, str) and value.startswith("{"):
        opened = open_json(value)
        return opened if isinstance(opened, dict) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
