"""Whether a destroyed stack left anything at its providers: asked of their own lists, by name and tag, not of the record.

An object that an earlier run made and never recorded, or that somebody put there under the same name, is found so. Objects
of kinds that no list shows (a tunnel's ingress) go with the object they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.repair.kinds import SHAPES, Inputs, Kind, kind_of, named
from engine.repair.lookup import Lookup, find, opened_lookup
from engine.workspace import Target, workspace


@dataclass(frozen=True)
class Leftover:
    """An object that is still at its provider. `removal` is the command that removes it; None in the sandbox."""

    stack: str
    kind: Kind
    name: str
    id: str
    removal: str | None

    @property
    def line(self) -> str:
        remedy = f"; remove it with `{self.removal}`" if self.removal else ""
        return f"{self.stack}: {self.name} ({self.id}) is still at {SHAPES[self.kind].service}{remedy}"

    def as_json(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "kind": self.kind.value,
            "name": self.name,
            "id": self.id,
            "command": self.removal,
        }


def listed_objects(state: Mapping[str, Any]) -> list[tuple[Kind, Inputs]]:
    """What a recorded state has at providers and their lists show: kinds and inputs, secrets encrypted."""
    return [(kind, inputs) for kind, inputs in _objects(state) if SHAPES[kind].path is not None]


def leftovers(target: Target, stack: str, objects: Sequence[tuple[Kind, Inputs]]) -> list[Leftover]:
    """Those of the objects that are still there, after the stack was destroyed.

    Raises:
        Unreachable: a provider cannot be asked.
        InputError: the stack has no file any more, which says where its providers are.
    """
    if target.sandbox_objects is not None:
        with opened_lookup(target, stack) as lookup:
            return list(_still_there(lookup, stack, objects))
    with workspace(target, stack) as selected, opened_lookup(target, stack, selected) as lookup:
        return list(_still_there(lookup, stack, objects))


def _objects(state: Mapping[str, Any]) -> Iterator[tuple[Kind, Inputs]]:
    for resource in state.get("resources") or ():
        kind = kind_of(str(resource.get("type")))
        if kind is not None and resource.get("custom"):
            yield kind, resource.get("inputs") or {}


def _still_there(lookup: Lookup, stack: str, objects: Sequence[tuple[Kind, Inputs]]) -> Iterator[Leftover]:
    known = set()
    for kind, inputs in objects:
        for id in find(lookup, kind, inputs):
            if (kind, id) not in known:
                known.add((kind, id))
                yield Leftover(stack, kind, named(kind, inputs), id, lookup.removal(kind, inputs, id))
