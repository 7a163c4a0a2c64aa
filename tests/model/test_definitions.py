"""Definitions of one meaning: the order of a set says nothing, and everything else does."""

from __future__ import annotations

import time
from typing import Any

import pytest

from model.canonical import digest
from model.definitions import same_meaning


def tool(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "book", "inputSchema": {"type": "object", **schema}, **more}


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ({"required": ["room", "day"]}, {"required": ["day", "room"]}),
        (
            {"properties": {"day": {"enum": ["mon", "tue", 3, None]}}},
            {"properties": {"day": {"enum": [3, "tue", None, "mon"]}}},
        ),
        ({"properties": {"n": {"type": ["null", "string"]}}}, {"properties": {"n": {"type": ["string", "null"]}}}),
        ({"dependentRequired": {"card": ["name", "zip"]}}, {"dependentRequired": {"card": ["zip", "name"]}}),
        ({"dependencies": {"card": ["name", "zip"]}}, {"dependencies": {"card": ["zip", "name"]}}),
        ({"$defs": {"A": {"required": ["a", "b"]}}}, {"$defs": {"A": {"required": ["b", "a"]}}}),
        ({"anyOf": [{"items": {"enum": [1, 2]}}]}, {"anyOf": [{"items": {"enum": [2, 1]}}]}),
        ({"items": [{"enum": [1, 2]}]}, {"items": [{"enum": [2, 1]}]}),
        (
            {"if": {"required": ["a", "b"]}, "then": {"not": {"enum": [1, 2]}}},
            {"if": {"required": ["b", "a"]}, "then": {"not": {"enum": [2, 1]}}},
        ),
        # Properties that are called like keywords are schemas.
        (
            {"properties": {"default": {"enum": [1, 2]}, "enum": {"type": ["a", "b"]}}},
            {"properties": {"default": {"enum": [2, 1]}, "enum": {"type": ["b", "a"]}}},
        ),
    ],
)
def test_the_order_of_a_set_says_nothing_wherever_it_stands(base: dict[str, Any], head: dict[str, Any]) -> None:
    assert digest(tool(base)) != digest(tool(head))
    assert same_meaning(tool(base), tool(head))
    assert same_meaning({"name": "x", "outputSchema": base}, {"name": "x", "outputSchema": head})


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ({"required": ["room"]}, {"required": ["room", "day"]}),
        ({"required": ["room"]}, {}),
        ({"properties": {"n": {"enum": [1, "1"]}}}, {"properties": {"n": {"enum": [1]}}}),
        ({"properties": {"n": {"enum": [[1, 2]]}}}, {"properties": {"n": {"enum": [[2, 1]]}}}),
        ({"properties": {"n": {"default": ["a", "b"]}}}, {"properties": {"n": {"default": ["b", "a"]}}}),
        (
            {"properties": {"n": {"default": {"required": [1, 2]}}}},
            {"properties": {"n": {"default": {"required": [2, 1]}}}},
        ),
        ({"const": {"enum": [1, 2]}}, {"const": {"enum": [2, 1]}}),
        ({"examples": [{"type": ["a", "b"]}]}, {"examples": [{"type": ["b", "a"]}]}),
        ({"prefixItems": [{"type": "string"}, {}]}, {"prefixItems": [{}, {"type": "string"}]}),
        ({"x-order": {"enum": [1, 2]}}, {"x-order": {"enum": [2, 1]}}),
    ],
)
def test_every_other_difference_counts(base: dict[str, Any], head: dict[str, Any]) -> None:
    assert not same_meaning(tool(base), tool(head))


def test_a_set_outside_a_schema_is_a_list() -> None:
    assert not same_meaning(tool({}, _meta={"required": [1, 2]}), tool({}, _meta={"required": [2, 1]}))
    assert not same_meaning({"name": "p", "required": ["a", "b"]}, {"name": "p", "required": ["b", "a"]})


def test_what_has_no_digest_is_equal_to_nothing() -> None:
    for odd in (tool({}, description="\ud800"), tool({"default": float("nan")})):
        assert not same_meaning(odd, odd)


def test_a_set_of_many_values_takes_linear_time() -> None:
    values = [f"value-{number}" for number in range(50_000)]
    started = time.process_time()
    assert same_meaning(tool({"enum": values}), tool({"enum": values[::-1]}))
    assert time.process_time() - started < 20
