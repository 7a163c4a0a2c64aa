"""A refusal because of an object that is there already, told with its kind, name, id and the command that helps."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.repair.kinds import SHAPES, Kind, kind_of, named, own_id
from engine.repair.lookup import Lookup, find, opened_lookup
from model.errors import RingwallError

if TYPE_CHECKING:
    from engine.events import Conflict
    from engine.workspace import Target


def explained(target: Target, stack: str, conflict: Conflict) -> str:
    """One line; the id is left out where the provider cannot be asked for it."""
    kind = kind_of(conflict.type)
    if kind is None:
        return conflict.text
    try:
        with opened_lookup(target, stack) as lookup:
            if conflict.operation.startswith("delete"):
                return _still_used(kind, conflict, lookup)
            return _taken(stack, kind, conflict, lookup)
    except RingwallError:
        return _taken(stack, kind, conflict, None)


def _taken(stack: str, kind: Kind, conflict: Conflict, lookup: Lookup | None) -> str:
    shape = SHAPES[kind]
    ours = find(lookup, kind, conflict.inputs) if lookup is not None else []
    others = _namesakes(kind, conflict.inputs, lookup) if lookup is not None and not ours else []
    (id,) = ours or others or ["ID"]
    where = "" if id == "ID" else f" ({id})"
    marks = ", without this stack's tags or settings" if others else ""
    command = f"ringwall import {stack} {kind.value} {shlex.quote(id)} --name {conflict.name}"
    return (
        f"{named(kind, conflict.inputs)}: {shape.service} has one already{where}{marks}, which this stack does not record; "
        f"run `{command}` to take it over, or delete it there [{conflict.text}]"
    )


def _namesakes(kind: Kind, inputs: Mapping[str, Any], lookup: Lookup) -> list[str]:
    shape = SHAPES[kind]
    if shape.path is None:
        return []
    found = [str(item["id"]) for item in lookup.items(kind, inputs) if item.get(shape.label) == inputs.get(shape.label)]
    return found[:1]


def _still_used(kind: Kind, conflict: Conflict, lookup: Lookup) -> str:
    what = f"{named(kind, conflict.inputs)} ({own_id(conflict.id)})"
    users = []
    if kind is Kind.policy:
        users = [
            f"application {item.get('name')} ({item['id']})"
            for item in lookup.items(Kind.application, conflict.inputs)
            if any(isinstance(one, Mapping) and one.get("id") == conflict.id for one in item.get("policies") or ())
        ]
    by = f" by {', '.join(sorted(users))}" if users else ""
    return (
        f"{what}: {SHAPES[kind].service} does not delete it while it is used{by}; destroy the server that uses it, or, "
        f"where no stack records the user, delete that there [{conflict.text}]"
    )
