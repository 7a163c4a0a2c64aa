"""When two definitions mean the same although their digests differ: JSON Schema has arrays whose order says nothing.

Servers build them from maps, whose order changes at each start (Go, Rust) or with the hash seed (Python). The digest of a
locked definition is that of the text as it was approved; only two texts with unlike digests are compared by meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.canonical import canonical_json, digest

#: Members of a definition that are JSON Schemas.
_SCHEMAS = ("inputSchema", "outputSchema")
#: Keywords whose array is a set (JSON Schema validation 2020-12, sections 6.1.1, 6.1.2 and 6.5.3).
_SETS = frozenset(("enum", "required", "type"))
#: Keywords that hold one subschema, or a list of them.
_SUBSCHEMAS = frozenset(
    {"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "then"}
    | {"propertyNames", "unevaluatedItems", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "prefixItems"}
)
#: Keywords that hold subschemas by name. `dependencies` (until draft-07) and `dependentRequired` hold sets too.
_NAMED = frozenset(
    ("$defs", "definitions", "dependencies", "dependentRequired", "dependentSchemas", "patternProperties", "properties")
)
_NAMED_SETS = frozenset(("dependencies", "dependentRequired"))


def same_meaning(base: Any, head: Any) -> bool:
    """Whether two definitions are equal, or differ only in the order of arrays that are sets.

    A definition without a digest (too deep, half a surrogate pair) is equal to nothing.
    """
    try:
        if digest(base) == digest(head):
            return True
        return isinstance(base, Mapping) and isinstance(head, Mapping) and _digest(base) == _digest(head)
    except ValueError:
        return False


def _digest(definition: Mapping[str, Any]) -> str:
    return digest({key: _ordered(value) if key in _SCHEMAS else value for key, value in definition.items()})


def _ordered(schema: Any) -> Any:
    """The schema with its sets in one order. Values that are data (`default`, `const`, `examples`, members of an `enum`)
    and unknown keywords stay as they are."""
    if isinstance(schema, list):
        return [_ordered(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {keyword: _value(keyword, value) for keyword, value in schema.items()}


def _value(keyword: str, value: Any) -> Any:
    if keyword in _SETS and isinstance(value, list):
        return _set(value)
    if keyword in _SUBSCHEMAS:
        return _ordered(value)
    if keyword in _NAMED and isinstance(value, Mapping):
        names_sets = keyword in _NAMED_SETS
        return {
            name: _set(item) if names_sets and isinstance(item, list) else _ordered(item)
            for name, item in value.items()
        }
    return value


def _set(values: list[Any]) -> list[Any]:
    members = {canonical_json(value): value for value in values}
    return [members[text] for text in sorted(members)]
