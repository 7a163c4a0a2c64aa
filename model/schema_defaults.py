"""Fills what a schema calls required and gives a default for, as the server that wrote the schema does.

Libraries that describe a value *after* it was parsed (zod among them) name a member with a default as required, although a
caller may leave it out. Judged by the letter, every call that does is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from model.schema_references import referenced

#: From a value to the same value with everything filled; the very object where nothing was missing.
Filler = Callable[[Any], Any]

#: Schemas that apply to one value together, by references and allOf. One that combines more is not filled.
MAX_PARTS = 64
#: Values that are looked at; arguments of more are not judged either (`model.schemas`).
MAX_VALUES = 50_000

Schema = dict[str, Any]


def compile_defaults(schema: Any) -> Filler | None:
    """The filler of a schema that `compile_schema` accepts; None where no required member anywhere has a default.

    Only what holds of every valid value is followed: properties, items, allOf and references within the schema. Which
    branch of an anyOf or oneOf applies is not known before a value is whole, so their defaults stay the server's.
    """
    if not any(_defaults(part, schema) for part in _schemas(schema)):
        return None
    return lambda value: _Filling(schema).filled(value, [schema])


class _Filling:
    """One pass over one value."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._remaining = MAX_VALUES

    def filled(self, value: Any, schemas: list[Schema]) -> Any:
        """The value with its defaults, of which the schemas all hold."""
        self._remaining -= 1
        if self._remaining < 0 or not isinstance(value, dict | list):
            return value
        parts = _parts(schemas, self._root)
        if isinstance(value, list):
            items = [part["items"] for part in parts if isinstance(part.get("items"), dict)]
            filled = [self.filled(item, items) for item in value] if items else value
            return filled if any(new is not old for new, old in zip(filled, value, strict=True)) else value
        result = value
        for part in parts:
            missing = {name: default for name, default in _defaults(part, self._root).items() if name not in result}
            if missing:
                result = {**result, **copy.deepcopy(missing)}
        for name, member in result.items():
            inner = [schema for part in parts if (schema := _property(part, name)) is not None]
            new = self.filled(member, inner) if inner else member
            if new is not member:
                result = {**result, name: new}
        return result


def _parts(schemas: list[Schema], root: Schema) -> list[Schema]:
    """The schemas and all that hold with them; none if they are too many to follow."""
    parts: list[Schema] = []
    known: set[int] = set()
    pending = list(reversed(schemas))
    while pending:
        schema = pending.pop()
        if id(schema) in known:
            continue
        if len(parts) == MAX_PARTS:
            return []
        known.add(id(schema))
        parts.append(schema)
        demands = schema.get("allOf")
        pending += [demand for demand in demands if isinstance(demand, dict)] if isinstance(demands, list) else []
        target = referenced(root, schema.get("$ref"))
        pending += [target] if isinstance(target, dict) else []
    return parts


def _defaults(schema: Schema, root: Schema) -> dict[str, Any]:
    """The defaults of the members that the schema itself requires."""
    required = schema.get("required")
    defaults: dict[str, Any] = {}
    for name in required if isinstance(required, list) else []:
        member = _property(schema, name) if isinstance(name, str) else None
        if member is None:
            continue
        for part in _parts([member], root):
            if "default" in part:
                defaults[name] = part["default"]
                break
    return defaults


def _property(schema: Schema, name: str) -> Schema | None:
    properties = schema.get("properties")
    member = properties.get(name) if isinstance(properties, dict) else None
    return member if isinstance(member, dict) else None


def _schemas(schema: Any) -> Iterator[Schema]:
    """Every object in a schema; those that are no schema have no required members."""
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield value
            pending += value.values()
        elif isinstance(value, list):
            pending += value
