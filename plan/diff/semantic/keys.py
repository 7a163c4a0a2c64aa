"""Compares two manifests key by key and judges each changed key by the tables of this package.

A key that no table knows counts as loosening. Where two manifests differ is found by `model.difference`; which way a change
goes is in `directions`, and what the keys mean is in the modules named for their subjects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from model.difference import Part, Path, by_key, descend
from plan.diff.model import Change, Direction, change
from plan.diff.semantic import (
    clients,
    environment,
    exposure,
    finding_exceptions,
    guard_settings,
    limits,
    models,
    portal,
)
from plan.diff.semantic.directions import Entry, KeyRule, Table, keys, longer_loosens, shorter_loosens

_SHARED: Table = {**limits.RULES, **guard_settings.RULES}
TABLES: dict[str, Table] = {
    "server": {
        **exposure.RULES,
        **_SHARED,
        **clients.TABLE,
        **finding_exceptions.TABLE,
        **environment.WAIVERS,
    },
    "model": {**models.TABLE, **clients.TABLE, **environment.WAIVERS},
    "environment": {
        **environment.ENVIRONMENT,
        **portal.TABLE,
        **environment.WAIVERS,
        **{f"defaults.{key}": entry for key, entry in {**_SHARED, **environment.DEFAULTS}.items()},
    },
    "zone": {**environment.ZONE, **environment.WAIVERS},
}
_MAX_TEXT = 300
#: The weight of a key without a rule: just below the changes that let somebody in.
UNKNOWN_RISK = 75


def compare_keys(kind: str, stack: str, base: Mapping[str, Any], head: Mapping[str, Any]) -> list[Change]:
    """Changes of one manifest, as `Model.dump` gives it, but those of `Delegated` keys."""
    changes = []
    for path, base_value, head_value in descend(base, head, partial(_parts, kind)):
        pattern, names = _pattern(kind, path)
        entry = TABLES[kind].get(pattern)
        if entry is None:
            changes.append(_unknown(kind, stack, pattern, names, base_value, head_value))
        elif isinstance(entry, KeyRule):
            changes.append(_judged(kind, stack, pattern, entry, names, base_value, head_value))
        if _is_list(base_value, head_value):
            changes += _unknown_items(kind, stack, pattern, names, base_value, head_value)
    return changes


@cache
def _inner(kind: str) -> frozenset[str]:
    """Patterns that have entries below them."""
    inner = set()
    for pattern in TABLES[kind]:
        elements = pattern.replace("[]", ".[]").split(".")
        inner |= {".".join(elements[:end]).replace(".[]", "[]") for end in range(1, len(elements))}
    return frozenset(inner)


def _pattern(kind: str, path: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The pattern of the tables that a path falls under (``agents.*.countries``), and the names its wildcards stand for."""
    pattern, names = "", []
    for key in path:
        wildcard = f"{pattern}.*"
        if wildcard in TABLES[kind] or wildcard in _inner(kind):
            pattern = wildcard
            names.append(key)
        else:
            pattern = f"{pattern}.{key}" if pattern else key
    return pattern, tuple(names)


def _parts(kind: str, path: Path, base: Any, head: Any) -> Iterable[Part] | None:
    """The keys of two mappings, unless a table judges the mapping as a whole."""
    if not path:
        return by_key(base, head, None)
    pattern, _ = _pattern(kind, path)
    entry = TABLES[kind].get(pattern)
    if _is_equal(base, head, entry):
        return ()
    mappings = isinstance(base, Mapping) and isinstance(head, Mapping)
    if pattern in _inner(kind) and not _is_list(base, head) and (mappings or entry is None):
        # A mapping that one side lacks, and that no entry judges whole, is compared with an empty one.
        base, head = (value if isinstance(value, Mapping) else {} for value in (base, head))
        return by_key(base, head, None)
    return None


def _is_list(base: Any, head: Any) -> bool:
    return isinstance(base, list) or isinstance(head, list)


def _is_equal(base: Any, head: Any, entry: Entry | None) -> bool:
    if base == head and type(base) is type(head):
        return True
    if isinstance(base, list) and isinstance(head, list) and not (isinstance(entry, KeyRule) and entry.ordered):
        return keys(base) == keys(head)
    return False


def _judged(kind: str, stack: str, pattern: str, rule: KeyRule, names: tuple[str, ...], base: Any, head: Any) -> Change:
    direction = rule.judge(base, head)
    proof = (
        "the same length of time, written differently"
        if rule.judge in (longer_loosens, shorter_loosens)
        else rule.proof
    )
    label = rule.label.format(*names)
    if pattern.startswith("defaults."):
        label = f"default for servers: {label}"
    details = (f"neutral: {proof}",) if direction is Direction.NEUTRAL and proof else ()
    if rule.words is not None:
        base, head = _in_words(base, head, rule.words)
    title = f"{label}: {difference(base, head)}"
    return change(f"{kind}.{pattern}", direction, rule.risk, stack, rule.ring, title, details, *shown(base, head))


def _in_words(base: Any, head: Any, words: Callable[[Any], str]) -> tuple[Any, Any]:
    """Both values in the words of their rule, a list item by item."""
    if _is_list(base, head):
        return [words(item) for item in base or ()], [words(item) for item in head or ()]
    return None if base is None else words(base), None if head is None else words(head)


def _unknown(kind: str, stack: str, pattern: str, names: tuple[str, ...], base: Any, head: Any) -> Change:
    title = f"{pattern.replace('*', '{}').format(*names)}: {difference(base, head)}"
    details = ("this version of Ringwall has no rule for the key, so its change counts as loosening",)
    return change(f"{kind}.{pattern}", Direction.LOOSENS, UNKNOWN_RISK, stack, "", title, details, *shown(base, head))


def _unknown_items(
    kind: str, stack: str, pattern: str, names: tuple[str, ...], base: Any, head: Any
) -> Iterator[Change]:
    """Keys inside a list's entries that no table knows."""
    table, inner = TABLES[kind], _inner(kind)
    strange: dict[str, tuple[list[Any], list[Any]]] = {}
    for side, items in enumerate((base or [], head or [])):
        for item in items:
            for path, value in _leaves(item, f"{pattern}[]", inner) if isinstance(item, Mapping) else ():
                if path not in table:
                    strange.setdefault(path, ([], []))[side].append(value)
    for path, (base_values, head_values) in sorted(strange.items()):
        if keys(base_values) != keys(head_values):
            yield _unknown(kind, stack, path, names, base_values, head_values)


def _leaves(item: Mapping[str, Any], pattern: str, inner: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        place = f"{pattern}.{key}"
        if isinstance(value, Mapping) and place in inner:
            yield from _leaves(value, place, inner)
        elif not (value is None and place in inner):
            yield place, value


def shown(base: Any, head: Any) -> tuple[str | None, str | None]:
    """Both values as short JSON, None where there is none."""
    return tuple(None if value is None else _text(value) for value in (base, head))  # type: ignore[return-value]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"


def difference(base: Any, head: Any) -> str:
    """Two values in a few words: ``60 → 120``, ``+ SE, - NO``, ``added``."""
    if isinstance(base, list | None) and isinstance(head, list | None) and (base or head):
        if keys(base) != keys(head):
            gained = [f"+ {_plain(item)}" for item in sorted(keys(head) - keys(base))]
            lost = [f"- {_plain(item)}" for item in sorted(keys(base) - keys(head))]
            return _text(", ".join(gained + lost))
        return _text(f"{_text(base)} → {_text(head)}")
    if base is None:
        return "added" if isinstance(head, Mapping) else f"none → {_text(head)}"
    if head is None:
        return "removed" if isinstance(base, Mapping) else f"{_text(base)} → none"
    return f"{_text(base)} → {_text(head)}"


def _plain(text: str) -> str:
    value = json.loads(text)
    return value if isinstance(value, str) else text
