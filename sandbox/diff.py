"""The difference between what a service holds and what a program declares, property by property."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.behaviour import Behaviour
from sandbox.schema import Property
from sandbox.wire import Props, known, reveal

Kind = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class PropertyChange:
    """One changed leaf. `path` is Pulumi's (``config.ingresses[0].service``), `top` its first property."""

    path: str
    top: str
    kind: Kind
    replaces: bool


def changes(behaviour: Behaviour, inputs: Mapping[str, Property], held: Props, news: Props) -> list[PropertyChange]:
    """Compare `held` (outputs in state) with `wanted` (new inputs, completed by the service's defaults)."""
    actual = {name: value for name, value in held.items() if name in inputs and value is not None}
    filled = {name: value for name, value in behaviour.defaults.items() if name in actual}
    desired = {**filled, **{name: value for name, value in news.items() if value is not None}}
    result: list[PropertyChange] = []
    for name in sorted(actual.keys() | desired.keys()):
        old, new = (_normal(behaviour, name, side.get(name)) for side in (actual, desired))
        replaces = name in behaviour.replaces
        result += [PropertyChange(path, name, kind, replaces) for path, kind in _compare(old, new, name)]
    return result


def _normal(behaviour: Behaviour, name: str, value: Any) -> Any:
    plain = reveal(value)
    if name in behaviour.json_text and isinstance(plain, str):
        try:
            return json.dumps(json.loads(plain), sort_keys=True)
        except ValueError:
            return plain
    if name in behaviour.sets and isinstance(plain, list) and known(plain):
        return sorted(plain, key=lambda item: json.dumps(item, sort_keys=True))
    return plain


def _compare(old: Any, new: Any, path: str) -> Iterator[tuple[str, Kind]]:
    if old is None and new is None:
        return
    if old is None or new is None:
        yield path, "add" if old is None else "delete"
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _compare(
                old.get(key), new.get(key), f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]'
            )
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            old_item, new_item = (side[index] if index < len(side) else None for side in (old, new))
            yield from _compare(old_item, new_item, f"{path}[{index}]")
    elif not known(new) or old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, "update"
