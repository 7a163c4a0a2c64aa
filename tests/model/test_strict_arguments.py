"""A tool with strict_arguments takes the arguments that its schema names; the schema's own word about others is kept."""

from __future__ import annotations

from typing import Any

import pytest

from model.schemas import Unenforceable
from model.strict_arguments import MAX_PLACES, compile_strict, names_only_some

TEXT = {"type": "string"}
FILTER = {"type": "object", "properties": {"state": TEXT}}


def taking(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


NODE = {
    "type": "object",
    "properties": {"name": TEXT, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
}

#: A schema, arguments that pass, and arguments that do not, with the place.
CASES: dict[str, tuple[Any, Any, Any, str]] = {
    "at the top": (taking(path=TEXT), {"path": "x"}, {"path": "x", "cwd": "/"}, "/"),
    "no property at all": (taking(), {}, {"random_string": "x"}, "/"),
    "below": (taking(filter=FILTER), {"filter": {"state": "x"}}, {"filter": {"$where": "x"}}, "/filter"),
    "in a list": (
        taking(filters={"type": "array", "items": FILTER}),
        {"filters": [{"state": "x"}]},
        {"filters": [{"state": "x"}, {"other": 1}]},
        "/filters/*",
    ),
    "by a reference": (
        {**taking(filter={"$ref": "#/$defs/a~1b"}), "$defs": {"a/b": FILTER}},
        {"filter": {"state": "x"}},
        {"filter": {"other": "x"}},
        "/filter",
    ),
    "in a schema that holds itself": (
        {**taking(root={"$ref": "#/$defs/node"}), "$defs": {"node": NODE}},
        {"root": {"name": "a", "children": [{"name": "b", "children": []}]}},
        {"root": {"name": "a", "children": [{"name": "b", "children": [{"nam": "c"}]}]}},
        "/root/children/*/children/*",
    ),
    "named by any branch": (
        {**taking(kind=TEXT), "anyOf": [taking(a=TEXT), {"$ref": "#/$defs/b"}], "$defs": {"b": taking(b=TEXT)}},
        {"kind": "x", "a": "1", "b": "2"},
        {"kind": "x", "c": "3"},
        "/",
    ),
    "named where a condition holds": (
        {**taking(kind=TEXT), "if": {"required": ["kind"]}, "then": taking(more=TEXT)},
        {"kind": "x", "more": "y"},
        {"kind": "x", "less": "y"},
        "/",
    ),
}


@pytest.mark.parametrize(("schema", "fine", "refused", "place"), CASES.values(), ids=CASES)
def test_what_no_part_of_the_schema_names_is_refused(schema: Any, fine: Any, refused: Any, place: str) -> None:
    check = compile_strict(schema)
    assert check(fine) is None
    assert (
        check(refused) == f"{place}: has a property that the schema does not name (strict_arguments of the tool lock)"
    )


OPEN: dict[str, tuple[Any, Any]] = {
    "further properties": ({**taking(a=TEXT), "additionalProperties": True}, {"b": 1}),
    "further properties of one type": ({**taking(a=TEXT), "additionalProperties": TEXT}, {"b": "x"}),
    "unevaluated ones": ({**taking(a=TEXT), "unevaluatedProperties": {}}, {"b": 1}),
    "names by a pattern": ({**taking(a=TEXT), "patternProperties": {"^x-": TEXT}}, {"x-b": "x"}),
    "an object of free form": (taking(labels={"type": "object"}), {"labels": {"any": "x"}}),
    "a branch of free form": (
        taking(filter={"anyOf": [FILTER, {"type": "object"}, {"type": "null"}]}),
        {"filter": {"any": 1}},
    ),
    "anything": (taking(payload={}), {"payload": {"any": [{"thing": 1}]}}),
    "a schema of no form": ({"type": "object"}, {"any": 1}),
    "a schema that is true": (True, {"any": 1}),
}


@pytest.mark.parametrize(("schema", "arguments"), OPEN.values(), ids=OPEN)
def test_what_the_schema_says_of_further_names_is_kept(schema: Any, arguments: Any) -> None:
    assert compile_strict(schema)(arguments) is None


def test_it_is_proposed_where_a_schema_names_properties_and_is_silent_about_others() -> None:
    assert names_only_some(taking(path=TEXT))
    assert names_only_some({**taking(filter=FILTER), "additionalProperties": False})
    closed = {**taking(path=TEXT), "additionalProperties": False}
    for schema in (taking(), closed, {"type": "object"}, OPEN["further properties"][0], {"$dynamicRef": "#x"}):
        assert not names_only_some(schema)


def test_what_cannot_be_followed_or_counted_is_an_error() -> None:
    with pytest.raises(Unenforceable, match="followed by a validator alone"):
        compile_strict({"$ref": "#anchor"})
    with pytest.raises(Unenforceable, match="too many for strict_arguments"):
        compile_strict(taking(**{f"p{number}": taking() for number in range(MAX_PLACES)}))
