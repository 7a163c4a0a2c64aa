"""Says in words what a value breaks of a JSON Schema: the rule and its number, and nothing of the value but its type.

What the schema lists (`enum`, `const`, `pattern`) is not repeated either: of a grant's constraint it is the operator's, and
whoever is refused is not told what would pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FIXED = {
    "enum": "is none of the allowed values",
    "const": "is not the one allowed value",
    "pattern": "does not match the pattern",
    "uniqueItems": "holds an entry twice",
    "additionalProperties": "has a property that is not allowed",
    "unevaluatedProperties": "has a property that is not allowed",
    "patternProperties": "has a property that is not allowed",
    "additionalItems": "holds more entries than are allowed",
    "unevaluatedItems": "holds more entries than are allowed",
    "items": "holds more entries than are allowed",
    "contains": "does not hold the entries that it must",
    "minContains": "does not hold the entries that it must",
    "maxContains": "holds too many entries of one form",
    "dependencies": "lacks a property that another one needs",
    "dependentRequired": "lacks a property that another one needs",
    "anyOf": "has none of the allowed forms",
    "not": "has a form that is not allowed",
    "false": "holds something that is not allowed",
}
_COUNTED = {
    "minLength": ("must have at least", "character"),
    "maxLength": ("may have at most", "character"),
    "minItems": ("must hold at least", "entry"),
    "maxItems": ("may hold at most", "entry"),
    "minProperties": ("must have at least", "property"),
    "maxProperties": ("may have at most", "property"),
}
#: Beyond it a number is not written out.
_LARGE = 10**18
_PLURALS = {"entry": "entries", "property": "properties"}


def in_words(error: ValidationError) -> str:
    """What is wrong, such as ``must be a string, is a number``; for a keyword of another dialect its name."""
    keyword, expected = str(error.validator or "false"), error.validator_value
    subject = "a name in it " if list(error.absolute_schema_path)[-2:-1] == ["propertyNames"] else ""
    if keyword in _FIXED:
        return subject + _FIXED[keyword]
    if keyword in _COUNTED:
        beginning, noun = _COUNTED[keyword]
        return f"{subject}{beginning} {_counted(expected, noun)}"
    return subject + _WRITTEN[keyword](error, expected) if keyword in _WRITTEN else f"breaks {keyword}"


def _counted(number: Any, noun: str) -> str:
    return f"{_shown(number)} {noun if number == 1 else _PLURALS.get(noun, noun + 's')}"


def _shown(number: Any) -> str:
    """A number of the schema, whose author may be hostile: Python refuses to write one of many digits."""
    return str(number) if isinstance(number, int | float) and abs(number) < _LARGE else "a very large number"


def _type(error: ValidationError, expected: Any) -> str:
    allowed = [_TYPES.get(name, name) for name in (expected if isinstance(expected, list) else [expected])]
    return f"must be {' or '.join(map(str, allowed))}, is {_TYPES[_type_of(error.instance)]}"


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "number"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"


def _minimum(error: ValidationError, expected: Any) -> str:
    # In draft 4 `exclusiveMinimum: true` stands beside `minimum`.
    exclusive = isinstance(error.schema, dict) and error.schema.get("exclusiveMinimum") is True
    return f"must be {'more than' if exclusive else 'at least'} {_shown(expected)}"


def _maximum(error: ValidationError, expected: Any) -> str:
    exclusive = isinstance(error.schema, dict) and error.schema.get("exclusiveMaximum") is True
    return f"must be {'less than' if exclusive else 'at most'} {_shown(expected)}"


def _one_of(error: ValidationError, _: Any) -> str:
    return "has none of the allowed forms" if error.context else "has several of the allowed forms at once"


_WRITTEN: dict[str, Callable[[ValidationError, Any], str]] = {
    "type": _type,
    "minimum": _minimum,
    "maximum": _maximum,
    "exclusiveMinimum": lambda _, expected: f"must be more than {_shown(expected)}",
    "exclusiveMaximum": lambda _, expected: f"must be less than {_shown(expected)}",
    "multipleOf": lambda _, expected: f"must be a multiple of {_shown(expected)}",
    "format": lambda _, expected: f"must have the format {expected}",
    "oneOf": _one_of,
}
