"""Tells at once that arguments fit the schemas of most tools: an object whose properties are single values.

Everything else is said by the validator of `model.schemas`, which takes ten times as long for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: Keywords that constrain nothing, in any draft.
_ANNOTATIONS = frozenset(("$schema", "title", "description", "default", "examples"))
_OBJECT = _ANNOTATIONS | {"type", "properties", "required", "additionalProperties"}
_VALUE = _ANNOTATIONS | {"type"}
#: The types of Python's that are of a type in any draft; 1.0 is an integer in some, so the validator says it.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def fits_at_once(schema: Any) -> Callable[[Any], bool]:
    """A function that is True for arguments that fit the schema, and False where the validator has to say."""
    types = _types_of(schema)
    if types is None:
        return lambda arguments: False
    required = frozenset(schema.get("required", ()))

    def fits(arguments: Any) -> bool:
        if type(arguments) is not dict or not required <= arguments.keys():
            return False
        return all(name in types and type(value) in types[name] for name, value in arguments.items())

    return fits


def _types_of(schema: Any) -> dict[str, tuple[type, ...]] | None:
    """The types of each property; None for a schema that says more."""
    if not isinstance(schema, dict) or not schema.keys() <= _OBJECT or schema.get("type") != "object":
        return None
    types: dict[str, tuple[type, ...]] = {}
    for name, value in schema.get("properties", {}).items():
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in _TYPES or not value.keys() <= _VALUE:
            return None
        types[name] = _TYPES[kind]
    return types
