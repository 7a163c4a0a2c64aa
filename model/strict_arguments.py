"""Refuses the arguments that a tool's schema does not name, where the schema leaves open whether there may be others.

JSON Schema lets an object have any further property unless `additionalProperties` says otherwise, and few servers say it.
What no schema names is described to nobody, and some servers hand it on: to a database, a command line, another service.
A tool of the lock with `strict_arguments` takes named arguments alone. A name counts as named when any part of the schema
that applies to the object names it (`allOf`, `anyOf`, `oneOf`, `if`, a reference …). The schema's own word is kept: an
object whose schema says `additionalProperties` or `unevaluatedProperties`, has patterns of names, or is one of free form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model.schema_references import referenced
from model.schemas import Checker, Unenforceable, pointer

#: Objects of one schema that are told apart, at most.
MAX_PLACES = 2000
#: Steps that are shown of a place.
_SHOWN = 8
_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("if", "then", "else")
_OPENING = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_FOREIGN = ("$dynamicRef", "$recursiveRef")
#: What gives an object a form beside `properties`.
_FORMING = frozenset((*_LISTS, *_SINGLE, "$ref", "required", "dependentSchemas", "dependencies", "properties"))


def names_only_some(schema: Any) -> bool:
    """Whether a schema names properties of an object and leaves open whether there may be others."""
    try:
        return any(place.strict and place.names for place in _places(schema).values())
    except Unenforceable:
        return False


def compile_strict(schema: Any) -> Checker:
    """A function from arguments to None, or to a text that says where a property stands that the schema does not name.

    Raises:
        Unenforceable: the schema has more objects than are told apart, or a reference that only a validator follows.
    """
    places = _places(schema)

    def check(arguments: Any) -> str | None:
        pending: list[tuple[Any, int, tuple[str, ...]]] = [(arguments, 0, ())]
        while pending:
            value, index, path = pending.pop()
            place = places[index]
            if isinstance(value, list):
                pending += [(item, inner, (*path, "*")) for item in value if (inner := place.items) is not None]
            elif isinstance(value, dict):
                if place.strict and not value.keys() <= place.names.keys():
                    at = pointer(path[:_SHOWN]) or "/"
                    return f"{at}: has a property that the schema does not name (strict_arguments of the tool lock)"
                pending += [
                    (child, inner, (*path, key))
                    for key, child in value.items()
                    if (inner := place.names.get(key)) is not None and isinstance(child, dict | list)
                ]
        return None

    return check


class _Place:
    """One object or list of the arguments: the names that its schemas have with the place of each, and its items' place."""

    __slots__ = ("items", "names", "strict")

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.items: int | None = None
        self.strict = False


def _places(schema: Any) -> dict[int, _Place]:
    """The places of a schema by number, 0 the arguments themselves. A place is known by the schemas that apply to it, so
    that a schema which holds itself has an end."""
    numbers: dict[frozenset[int], int] = {}
    pending: list[tuple[int, list[Any]]] = []
    places: dict[int, _Place] = {}

    def number(schemas: list[Any]) -> int:
        key = frozenset(map(id, schemas))
        if key not in numbers:
            if len(numbers) >= MAX_PLACES:
                raise Unenforceable(f"it has more than {MAX_PLACES} objects, too many for strict_arguments")
            numbers[key] = len(numbers)
            pending.append((numbers[key], schemas))
        return numbers[key]

    number([schema])
    while pending:
        index, schemas = pending.pop()
        places[index] = place = _Place()
        applying = list(_applying(schemas, schema))
        below: dict[str, list[Any]] = {}
        items: list[Any] = []
        for part in applying:
            properties = part.get("properties")
            for name, child in properties.items() if isinstance(properties, dict) else ():
                below.setdefault(name, []).append(child)
            for word in ("items", "prefixItems", "additionalItems"):
                child = part.get(word)
                items += child if isinstance(child, list) else [child] if child is not None else []
        named = any(isinstance(part.get("properties"), dict) for part in applying)
        place.strict = named and not any(_says_more(part) for part in applying)
        place.names = {name: number(children) for name, children in below.items()}
        place.items = number(items) if items else None
    return places


def _says_more(part: Mapping[str, Any]) -> bool:
    """Whether a schema says itself what further properties there may be, or is an object of free form."""
    types = part.get("type")
    an_object = types == "object" or (isinstance(types, list) and "object" in types)
    return any(word in part for word in _OPENING) or (an_object and not part.keys() & _FORMING)


def _applying(schemas: list[Any], root: Any) -> Iterator[Mapping[str, Any]]:
    """Every schema that may apply to the same value as these do."""
    pending, visited = list(schemas), set()
    while pending:
        part = pending.pop()
        if not isinstance(part, dict) or id(part) in visited:
            continue
        visited.add(id(part))
        yield part
        for word in _LISTS:
            pending += part[word] if isinstance(part.get(word), list) else []
        pending += [part[word] for word in _SINGLE if word in part]
        for word in ("dependentSchemas", "dependencies"):
            pending += part[word].values() if isinstance(part.get(word), dict) else []
        pending += [_target(root, part[word], word) for word in ("$ref", *_FOREIGN) if word in part]


def _target(root: Any, reference: Any, word: str) -> Any:
    target = None if word in _FOREIGN else referenced(root, reference)
    if target is None:
        raise Unenforceable("a reference in it is followed by a validator alone, so strict_arguments cannot hold")
    return target
