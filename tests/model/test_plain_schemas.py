"""The quick answer for simple schemas against the validator's: it may leave a question to that, and never says more."""

from __future__ import annotations

import itertools
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from model.plain_schemas import fits_at_once

TYPES = ("string", "boolean", "integer", "number", "null")
MORE: tuple[dict[str, Any], ...] = ({}, {"b": "x"}, {"b": 1}, {"c": "x"})
VALUES: tuple[Any, ...] = ("", "a", True, False, 0, -1, 10**30, 1.0, 1.5, None, [], {}, ["a"], {"a": 1})
DRAFTS = (jsonschema.Draft4Validator, jsonschema.Draft7Validator, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("closed", [{}, {"additionalProperties": False}, {"additionalProperties": {"type": "null"}}])
def test_what_fits_at_once_fits(draft: Any, closed: dict[str, Any]) -> None:
    quick = 0
    for kind in TYPES:
        schema: dict[str, Any] = {
            "type": "object",
            "title": "x",
            "properties": {"a": {"type": kind, "description": "d"}, "b": {"type": "string"}},
            "required": ["a"],
            **closed,
        }
        fits, validator = fits_at_once(schema), draft(schema)
        for value, more in itertools.product(VALUES, MORE):
            for arguments in ({"a": value, **more}, more, value):
                if fits(arguments):
                    quick += 1
                    assert validator.is_valid(arguments), (schema, arguments)
    assert quick > 20


@pytest.mark.parametrize(
    "changes",
    [
        {"type": ["object", "null"]},
        {"minProperties": 3},
        {"$ref": "#/x"},
        {"properties": {"a": {"type": "string", "minLength": 2}}},
        {"properties": {"a": {"type": "array"}}},
        {"properties": {"a": {"type": ["string"]}}},
        {"properties": {"a": True}},
        {"properties": {"a": {"enum": ["b"]}}},
    ],
)
def test_a_schema_that_says_more_is_left_to_the_validator(changes: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, **changes}
    assert not fits_at_once(schema)({"a": "x"})
    assert not fits_at_once(True)({})
