"""The message for a refusal because an object exists already: its kind, name and id, and the command that helps."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.repair.kinds import SHAPES, Kind, kind_of, named, own_id
from engine.repair.lookup import Lookup, find, opened_lookup
from model.errors import RingwallError

if TYPE_CHECKING:
    from engine.events import FailedOperation
    from engine.workspace import Target


def explained(target: Target, stack: str, conflict: FailedOperation) -> str:
    """The conflict in one line; without the object's id if the provider cannot be asked for it."""
    kind = kind_of(conflict.type)
    if kind is None:
        return conflict.text
    try:
        with opened_lookup(target, stack) as lookup:
            if conflict.operation.startswith("delete"):
                return _still_used(kind, conflict, lookup)
            return _name_in_use(stack, kind, conflict, lookup)
    except RingwallError:
        return _name_in_use(stack, kind, conflict, None)


def _name_in_use(stack: str, kind: Kind, conflict: FailedOperation, lookup: Lookup | None) -> str:
    shape = SHAPES[kind]
    matches = find(lookup, kind, conflict.inputs) if lookup is not None else []
    namesakes = _namesakes(kind, conflict.inputs, lookup) if lookup is not None and not matches else []
    (id,) = matches or namesakes or ["ID"]
    shown_id = "" if id == "ID" else f" ({id})"
    marks = ", without this stack's tags or settings" if namesakes else ""
    command = f"ringwall import {stack} {kind.value} {shlex.quote(id)} --name {conflict.name}"
    return (
        f"{named(kind, conflict.inputs)}: {shape.service} has one already{shown_id}{marks}, which this stack does not "
        f"record; run `{command}` to take it over, or delete it there [{conflict.text}]"
    )


def _namesakes(kind: Kind, inputs: Mapping[str, Any], lookup: Lookup) -> list[str]:
    shape = SHAPES[kind]
    if shape.path is None:
        return []
    ids = [str(item["id"]) for item in lookup.items(kind, inputs) if item.get(shape.label) == inputs.get(shape.label)]
    return ids[:1]


def _still_used(kind: Kind, conflict: FailedOperation, lookup: Lookup) -> str:
    subject = f"{named(kind, conflict.inputs)} ({own_id(conflict.id)})"
    users = []
    if kind is Kind.policy:
        users = [
            f"application {item.get('name')} ({item['id']})"
            for item in lookup.items(Kind.application, conflict.inputs)
            if any(
                isinstance(policy, Mapping) and policy.get("id") == conflict.id for policy in item.get("policies") or ()
            )
        ]
    users_text = f" by {', '.join(sorted(users))}" if users else ""
    return (
        f"{subject}: {SHAPES[kind].service} does not delete it while it is used{users_text}; destroy the server that "
        f"uses it, or, where no stack records the user, delete that there [{conflict.text}]"
    )
