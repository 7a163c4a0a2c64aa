"""Where two JSON values differ, in the two notations that Ringwall shows: JSON pointers and Pulumi's property paths.

`descend` is the one way into two values side by side; each comparison says with it what it takes for one value.
`by_pointer` is exact: it compares definitions of a tool lock by their digests, entry by entry. `differences` and `subset`
compare what providers hold, to which some unlike values are one. How a difference is shown is the caller's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from model.canonical import canonical_json, digest
from model.masking import is_marked_secret, open_json
from model.text import visible

MAX_SHOWN = 160
#: One element of a path: a quoted name, a place in a list, or a name.
_ELEMENT = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)')


@dataclass(frozen=True)
class ValueChange:
    """One place inside a definition that changed. A side is short readable JSON, or None where the place is absent.

    `order_only` says that both sides are lists of the same values."""

    pointer: str
    before: str | None
    after: str | None
    order_only: bool = False


class _Absence(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


#: Stands for the value of a side that has none at that place, which null is not.
ABSENT: Final = _Absence.ABSENT
#: The elements that lead to a value: keys, places in lists, or what else `parts` names its parts by.
Path = tuple[Any, ...]
#: One part of two values: its path element, and what each side has there.
Part = tuple[Any, Any, Any]


def descend(
    before: Any, after: Any, parts: Callable[[Path, Any, Any], Iterable[Part] | None], path: Path = ()
) -> Iterator[tuple[Path, Any, Any]]:
    """(path, before, after) of every two values that `parts` does not take apart any further.

    `parts` decides what is one value to a comparison. It is given a path and the two values there, and answers their parts;
    none where the two are equal to this comparison; None where they are compared whole, which yields them.
    """
    inner = parts(path, before, after)
    if inner is None:
        yield path, before, after
        return
    for element, before_part, after_part in inner:
        yield from descend(before_part, after_part, parts, (*path, element))


def by_key(before: Mapping[str, Any], after: Mapping[str, Any], absent: Any = ABSENT) -> Iterator[Part]:
    """The parts of two objects by their keys, sorted; `absent` stands where a side does not have the key."""
    for key in sorted({*before, *after}):
        yield key, before.get(key, absent), after.get(key, absent)


def by_pointer(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """(JSON pointer (RFC 6901), before, after) of every place where two JSON values differ, sorted; `ABSENT` where one side
    has no such place. Lists of unlike length, and lists of the same values in another order, are one place."""
    for path, before_value, after_value in descend(before, after, _exact_parts):
        if _unlike(before_value, after_value):
            pointer = "".join(f"/{str(element).replace('~', '~0').replace('/', '~1')}" for element in path)
            yield pointer, before_value, after_value


def _exact_parts(_: Path, before: Any, after: Any) -> Iterable[Part] | None:
    if isinstance(before, dict) and isinstance(after, dict):
        return by_key(before, after)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return None if reordered(before, after) else zip(range(len(before)), before, after, strict=True)
    return None


def reordered(before: Any, after: Any) -> bool:
    """Whether two values are lists of the same values in another order."""
    if not isinstance(before, list) or not isinstance(after, list) or len(before) != len(after):
        return False
    return before != after and sorted(map(canonical_json, before)) == sorted(map(canonical_json, after))


def _unlike(before: Any, after: Any) -> bool:
    if before is ABSENT or after is ABSENT:
        return before is not after
    if isinstance(before, str) and isinstance(after, str):
        return before != after
    return digest(before) != digest(after)


def pointers(before: Any, after: Any) -> Iterator[ValueChange]:
    """What `by_pointer` answers, with the values as short JSON."""
    for pointer, before_value, after_value in by_pointer(before, after):
        before_text, after_text = (
            None if value is ABSENT else short_json(value) for value in (before_value, after_value)
        )
        yield ValueChange(pointer, before_text, after_text, reordered(before_value, after_value))


def short_json(value: Any) -> str:
    """A value as JSON on one line; a long one is cut, with its digest."""
    text = visible(json.dumps(value, ensure_ascii=False, sort_keys=True))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters, {digest(value)[:19]}…)"


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of every leaf that differs. JSON text, such as a plugin's configuration, is opened. A list of
    plain values is one leaf; one of objects, such as a tunnel's ingress rules, is compared entry by entry."""
    for elements, before_value, after_value in descend(before, after, _property_parts):
        place = path
        for element in elements:
            place = f"{place}[{element}]" if isinstance(element, int) else _below(place, element)
        # An entry that only one side has is given as it is, with None for the other side.
        if before_value is ABSENT:
            yield place, None, after_value
        elif after_value is ABSENT:
            yield place, before_value, None
        else:
            yield place, _opened(before_value), _opened(after_value)


def _property_parts(_: Path, before: Any, after: Any) -> Iterable[Part] | None:
    if before is ABSENT or after is ABSENT:
        return None
    before, after = _opened(before), _opened(after)
    if before == after:
        return ()
    if isinstance(before, dict) and isinstance(after, dict):
        return None if is_marked_secret(before) or is_marked_secret(after) else by_key(before, after, None)
    if isinstance(before, list) and isinstance(after, list):
        return _entries(before, after) if any(isinstance(entry, dict) for entry in before + after) else None
    return None


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


def _entries(before: list[Any], after: list[Any]) -> list[Part] | None:
    """Entries that both sides have are the same wherever they stand; the rest is paired in its order. None where only the
    order differs."""
    removed, added = without(before, after), without(after, before)
    if not removed and not added:
        return None
    parts: list[Part] = []
    for index in range(max(len(removed), len(added))):
        before_place, before_entry = removed[index] if index < len(removed) else (None, ABSENT)
        after_place, after_entry = added[index] if index < len(added) else (before_place, ABSENT)
        parts.append((after_place, before_entry, after_entry))
    return parts


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
