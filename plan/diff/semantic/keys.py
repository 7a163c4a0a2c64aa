"""Compares two manifests key by key with the tables of this package. A key that no table knows loosens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from plan.diff.model import Change, Direction, change
from plan.diff.semantic import environment, exposure, guard_settings, limits
from plan.diff.semantic.directions import Entry, Rule, Table, keys, longer_loosens, shorter_loosens

_SHARED: Table = {**limits.RULES, **guard_settings.RULES}
TABLES: dict[str, Table] = {
    "server": {**exposure.RULES, **_SHARED, **environment.WAIVERS},
    "environment": {
        **environment.ENVIRONMENT,
        **environment.WAIVERS,
        **{f"defaults.{key}": entry for key, entry in {**_SHARED, **environment.DEFAULTS}.items()},
    },
    "zone": {**environment.ZONE, **environment.WAIVERS},
}
_MAX_TEXT = 300
#: An unknown key is looked at first among what is not an opened door.
UNKNOWN_RISK = 75


def compare_keys(kind: str, stack: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Changes of one manifest, as `Model.dump` gives it, that are not resolved elsewhere."""
    return list(_walk(kind, stack, before, after, (), ()))


@cache
def _inner(kind: str) -> frozenset[str]:
    """Patterns that have entries below them."""
    found = set()
    for pattern in TABLES[kind]:
        parts = pattern.replace("[]", ".[]").split(".")
        found |= {".".join(parts[:end]).replace(".[]", "[]") for end in range(1, len(parts))}
    return frozenset(found)


def _walk(
    kind: str,
    stack: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    path: tuple[str, ...],
    at: tuple[str, ...],
) -> Iterator[Change]:
    """`path` is the pattern, `at` the names its wildcards stand for."""
    table, inner = TABLES[kind], _inner(kind)
    here = ".".join(path)
    named = f"{here}.*" in table or f"{here}.*" in inner
    for key in sorted(before.keys() | after.keys()):
        pattern = f"{here}.*" if named else ".".join((*path, key))
        names = (*at, key) if named else at
        one, other = before.get(key), after.get(key)
        if _same(one, other, table.get(pattern)):
            continue
        both = isinstance(one, Mapping) and isinstance(other, Mapping)
        entry = table.get(pattern)
        if pattern in inner and not _is_list(one, other) and (both or entry is None):
            # A mapping that one side lacks, and that no entry judges whole, is compared with an empty one.
            mine, theirs = (value if isinstance(value, Mapping) else {} for value in (one, other))
            yield from _walk(kind, stack, mine, theirs, tuple(pattern.split(".")), names)
        elif entry is None:
            yield _unknown(kind, stack, pattern, names, one, other)
        elif isinstance(entry, Rule):
            yield _judged(kind, stack, pattern, entry, names, one, other)
        if _is_list(one, other):
            yield from _unknown_items(kind, stack, pattern, names, one, other)


def _is_list(one: Any, other: Any) -> bool:
    return isinstance(one, list) or isinstance(other, list)


def _same(one: Any, other: Any, entry: Entry | None) -> bool:
    if one == other and type(one) is type(other):
        return True
    if isinstance(one, list) and isinstance(other, list) and not (isinstance(entry, Rule) and entry.ordered):
        return keys(one) == keys(other)
    return False


def _judged(kind: str, stack: str, pattern: str, rule: Rule, names: tuple[str, ...], one: Any, other: Any) -> Change:
    direction = rule.judge(one, other)
    why = "the same time in other words" if rule.judge in (longer_loosens, shorter_loosens) else rule.why
    what = rule.what.format(*names)
    if pattern.startswith("defaults."):
        what = f"default for servers: {what}"
    details = (f"neutral: {why}",) if direction is Direction.NEUTRAL and why else ()
    title = f"{what}: {difference(one, other)}"
    return change(f"{kind}.{pattern}", direction, rule.risk, stack, rule.ring, title, details, *shown(one, other))


def _unknown(kind: str, stack: str, pattern: str, names: tuple[str, ...], one: Any, other: Any) -> Change:
    title = f"{pattern.replace('*', '{}').format(*names)}: {difference(one, other)}"
    details = ("this Ringwall has no rule for the key, so it counts as loosening",)
    return change(f"{kind}.{pattern}", Direction.LOOSENS, UNKNOWN_RISK, stack, "", title, details, *shown(one, other))


def _unknown_items(
    kind: str, stack: str, pattern: str, names: tuple[str, ...], one: Any, other: Any
) -> Iterator[Change]:
    """Keys inside a list's entries that no table knows."""
    table, inner = TABLES[kind], _inner(kind)
    strange: dict[str, tuple[list[Any], list[Any]]] = {}
    for side, items in enumerate((one or [], other or [])):
        for item in items:
            for path, value in _leaves(item, f"{pattern}[]", inner) if isinstance(item, Mapping) else ():
                if path not in table:
                    strange.setdefault(path, ([], []))[side].append(value)
    for path, (was, now) in sorted(strange.items()):
        if keys(was) != keys(now):
            yield _unknown(kind, stack, path, names, was, now)


def _leaves(item: Mapping[str, Any], pattern: str, inner: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        here = f"{pattern}.{key}"
        if isinstance(value, Mapping) and here in inner:
            yield from _leaves(value, here, inner)
        elif not (value is None and here in inner):
            yield here, value


def shown(one: Any, other: Any) -> tuple[str | None, str | None]:
    """Both values as short JSON, None where there is none."""
    return tuple(None if value is None else _text(value) for value in (one, other))  # type: ignore[return-value]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"


def difference(one: Any, other: Any) -> str:
    """Two values in a few words: ``60 → 120``, ``+ SE, - NO``, ``added``."""
    if isinstance(one, list | None) and isinstance(other, list | None) and (one or other):
        if keys(one) != keys(other):
            gained = [f"+ {_plain(item)}" for item in sorted(keys(other) - keys(one))]
            lost = [f"- {_plain(item)}" for item in sorted(keys(one) - keys(other))]
            return _text(", ".join(gained + lost))
        return _text(f"{_text(one)} → {_text(other)}")
    if one is None:
        return "added" if isinstance(other, Mapping) else f"none → {_text(other)}"
    if other is None:
        return "removed" if isinstance(one, Mapping) else f"{_text(one)} → none"
    return f"{_text(one)} → {_text(other)}"


def _plain(text: str) -> str:
    value = json.loads(text)
    return value if isinstance(value, str) else text
