"""Required members that have a default are filled as the server would, wherever it is certain which schema applies."""

from __future__ import annotations

import time
from typing import Any

import pytest

from model.schema_defaults import compile_defaults
from model.schemas import compile_schema


def shape(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


SCALE = {"type": "string", "enum": ["css", "device"], "default": "css"}
POINT = shape({"x": {"type": "number", "default": 0}, "y": {"type": "number"}}, "x", "y")


@pytest.mark.parametrize(
    ("schema", "given", "filled"),
    [
        (shape({"scale": SCALE}, "scale"), {}, {"scale": "css"}),
        (shape({"scale": SCALE}, "scale"), {"scale": "device"}, {"scale": "device"}),
        (shape({"a": {"default": None}, "b": {"default": False}}, "a", "b"), {}, {"a": None, "b": False}),
        (shape({"at": POINT}, "at"), {"at": {"y": 1}}, {"at": {"y": 1, "x": 0}}),
        (
            shape({"points": {"type": "array", "items": POINT}}),
            {"points": [{"y": 1}, {"x": 2, "y": 2}]},
            {"points": [{"y": 1, "x": 0}, {"x": 2, "y": 2}]},
        ),
        (shape({"at": {"$ref": "#/$defs/p"}}, **{"$defs": {"p": POINT}}), {"at": {"y": 1}}, {"at": {"y": 1, "x": 0}}),
        (shape({"s": {"$ref": "#/$defs/s"}}, "s", **{"$defs": {"s": SCALE}}), {}, {"s": "css"}),
        ({"type": "object", "allOf": [shape({"scale": SCALE}, "scale")]}, {}, {"scale": "css"}),
        # A default that is an object is filled itself.
        (shape({"at": {**POINT, "default": {"y": 5}}}, "at"), {}, {"at": {"y": 5, "x": 0}}),
        # A tree that is in itself.
        (
            shape({"n": {"default": 1}, "sub": {"$ref": "#"}}, "n"),
            {"sub": {"sub": {}}},
            {"n": 1, "sub": {"n": 1, "sub": {"n": 1}}},
        ),
    ],
)
def test_a_required_member_with_a_default_is_filled(schema: Any, given: Any, filled: Any) -> None:
    fill = compile_defaults(schema)
    assert fill is not None
    before = str(given)
    assert fill(given) == filled
    assert str(given) == before
    assert compile_schema(schema)(filled) is None


@pytest.mark.parametrize(
    "schema",
    [
        shape({"scale": {"type": "string"}}, "scale"),
        # Not required: the server adds it, or does without.
        shape({"scale": SCALE}),
        shape({"required": {"type": "array", "default": ["x"]}}),
        {"type": "object"},
        True,
    ],
)
def test_a_schema_that_requires_no_member_with_a_default_fills_nothing(schema: Any) -> None:
    assert compile_defaults(schema) is None


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        # Which branch applies is not certain.
        (shape({"at": {"anyOf": [POINT, shape({"z": {"default": 1}}, "z")]}}), {"at": {}}),
        (shape({"at": POINT, "scale": SCALE}, "scale"), {"scale": "css", "at": "text"}),
        (shape({"scale": SCALE}, "scale"), ["no object"]),
    ],
)
def test_what_is_not_certain_or_fits_no_object_is_left_as_it_is(schema: Any, given: Any) -> None:
    fill = compile_defaults(schema)
    assert fill is not None
    assert fill(given) is given


def test_the_defaults_are_the_callers_own_copy() -> None:
    fill = compile_defaults(shape({"tags": {"type": "array", "default": []}}, "tags"))
    assert fill is not None
    fill({})["tags"].append("x")
    assert fill({}) == {"tags": []}


def test_a_hostile_schema_or_value_takes_no_more_than_linear_time() -> None:
    chain = {f"s{n}": {"$ref": f"#/$defs/s{n + 1}"} for n in range(5000)}
    circle = {"$ref": "#/$defs/b"}, {"$ref": "#/$defs/a"}
    twice = {"allOf": [shape({"a": {"$ref": "#/$defs/t"}}), shape({"a": {"$ref": "#/$defs/t"}})]}
    schema = shape(
        {"x": {"default": 1}, "c": {"$ref": "#/$defs/a"}, "s": {"$ref": "#/$defs/s0"}, "t": {"$ref": "#/$defs/t"}},
        "x",
        **{"$defs": {**chain, "a": circle[0], "b": circle[1], "t": twice}},
    )
    value: Any = {}
    for _ in range(60):
        value = {"a": value}
    began = time.process_time()
    fill = compile_defaults(schema)
    assert fill is not None
    assert fill({"t": value, "c": {}, "s": {}})["x"] == 1
    assert fill({"t": [{}] * 1_000_000})["x"] == 1
    assert time.process_time() - began < 5
