"""Every keyword of JSON Schema is said in words, and no value of the caller's or of the schema's lists is repeated."""

from __future__ import annotations

from typing import Any

import pytest

from model.schemas import compile_schema

DRAFT_4 = "http://json-schema.org/draft-04/schema#"


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"type": "string"}, 5, "/: must be a string, is a number"),
        ({"type": ["integer", "null"]}, "SECRET", "/: must be a whole number or null, is a string"),
        ({"type": "integer"}, 1.5, "/: must be a whole number, is a number"),
        ({"type": "number"}, True, "/: must be a number, is a boolean"),
        ({"type": "boolean"}, None, "/: must be a boolean, is null"),
        ({"type": "array"}, {}, "/: must be a list, is an object"),
        ({"type": "object"}, [], "/: must be an object, is a list"),
        ({"enum": ["HIDDEN"]}, "SECRET", "/: is none of the allowed values"),
        ({"const": "HIDDEN"}, "SECRET", "/: is not the one allowed value"),
        ({"minimum": 3}, 2, "/: must be at least 3"),
        ({"maximum": 3}, 4, "/: must be at most 3"),
        ({"maximum": 10**30}, 10**31, "/: must be at most a very large number"),
        ({"exclusiveMinimum": 3}, 3, "/: must be more than 3"),
        ({"exclusiveMaximum": 3}, 3, "/: must be less than 3"),
        ({"$schema": DRAFT_4, "minimum": 3, "exclusiveMinimum": True}, 3, "/: must be more than 3"),
        ({"$schema": DRAFT_4, "maximum": 3, "exclusiveMaximum": True}, 3, "/: must be less than 3"),
        ({"multipleOf": 5}, 7, "/: must be a multiple of 5"),
        ({"minLength": 2}, "S", "/: must have at least 2 characters"),
        ({"maxLength": 1}, "SECRET", "/: may have at most 1 character"),
        ({"pattern": "^HIDDEN$"}, "SECRET", "/: does not match the pattern"),
        ({"minItems": 1}, [], "/: must hold at least 1 entry"),
        ({"maxItems": 2}, [1, 2, 3], "/: may hold at most 2 entries"),
        ({"uniqueItems": True}, ["SECRET", "SECRET"], "/: holds an entry twice"),
        ({"contains": {"const": 1}}, ["SECRET"], "/: does not hold the entries that it must"),
        ({"prefixItems": [{}], "items": False}, [1, "SECRET"], "/: holds more entries than are allowed"),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [1, "S"], "/: holds more entries than are allowed"),
        ({"minProperties": 1}, {}, "/: must have at least 1 property"),
        ({"maxProperties": 0}, {"SECRET": 1}, "/: may have at most 0 properties"),
        ({"required": ["name"]}, {}, "/: lacks name"),
        ({"additionalProperties": False}, {"SECRET": 1}, "/: has a property that is not allowed"),
        ({"unevaluatedProperties": False}, {"SECRET": 1}, "/: has a property that is not allowed"),
        ({"propertyNames": {"maxLength": 3}}, {"SECRET": 1}, "/: a name in it may have at most 3 characters"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "/: lacks a property that another one needs"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 5, "/: has none of the allowed forms"),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, 5, "/: has none of the allowed forms"),
        ({"oneOf": [{}, {}]}, "SECRET", "/: has several of the allowed forms at once"),
        ({"not": {}}, "SECRET", "/: has a form that is not allowed"),
        ({"properties": {"key": False}}, {"key": "SECRET"}, "/: holds something that is not allowed"),
        ({"if": {}, "then": {"minLength": 9}}, "SECRET", "/: must have at least 9 characters"),
    ],
)
def test_a_keyword_is_said_in_words(schema: dict[str, Any], value: Any, words: str) -> None:
    assert compile_schema(schema)(value) == words


def test_a_grants_format_is_said_in_words() -> None:
    assert compile_schema({"format": "date"}, strict=True)("SECRET") == "/: must have the format date"
