"""Schemas of others: enforced as written, in bounded time, without the network and without telling values."""

from __future__ import annotations

import time
from typing import Any

import pytest

from model.patterns import compile_pattern
from model.schemas import Unenforceable, compile_schema, patterns_left_to_server

TICKET: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[a-z ]+$"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "state": {"enum": ["open", "closed"]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "by/id": {"type": "integer"},
    },
    "required": ["query"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": "a"}, None),
        ({"query": "a", "limit": 5, "tags": ["x"], "state": "open", "labels": {"k": "v"}}, None),
        ({}, "/: lacks query"),
        ([], "/: must be an object, is a list"),
        ({"query": "SECRET"}, "/query: does not match the pattern"),
        ({"query": "a\n"}, "/query: does not match the pattern"),
        ({"query": "a", "limit": True}, "/limit: must be a whole number, is a boolean"),
        ({"query": "a", "limit": 101}, "/limit: must be at most 100"),
        ({"query": "a", "tags": ["x", 7]}, "/tags/1: must be a string, is a number"),
        ({"query": "a", "tags": ["x", "x"]}, "/tags: holds an entry twice"),
        ({"query": "a", "state": "secret"}, "/state: is none of the allowed values"),
        ({"query": "a", "secret": 1}, "/: has a property that is not allowed"),
        ({"query": "a", "labels": {"secret": 1}}, "/labels/*: must be a string, is a number"),
        ({"query": "a", "by/id": "x"}, "/by~1id: must be a whole number, is a string"),
    ],
)
def test_what_is_said_names_place_and_keyword_and_never_the_callers_text(arguments: Any, message: str | None) -> None:
    assert compile_schema(TICKET)(arguments) == message


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "https://example.com/schema.json"}, "none is ever fetched"),
        ({"$ref": "file:///etc/passwd"}, "none is ever fetched"),
        ({"$ref": "#/$defs/none"}, "none is ever fetched"),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "none is ever fetched"),
        ({"properties": {"a": {"anyOf": [{"$ref": "other.json#/a"}]}}}, "none is ever fetched"),
        ({"$ref": "#/list", "list": [1]}, "no schema"),
        ({"$schema": "https://example.com/own-draft"}, "no draft"),
        ({"properties": {"a": {"$schema": "http://json-schema.org/draft-04/schema#"}}}, "mixes two drafts"),
        ({"$schema": TICKET["$schema"], "type": "strin"}, 'JSON Schema draft-07 does not allow "strin"'),
        ({"type": "strin"}, 'does not allow "strin" there .at /type'),
        ({"pattern": "(?<=a)b"}, "linear time"),
        ({"pattern": r"(a)\1"}, "linear time"),
        ({"pattern": "^(?!a)b|c"}, "linear time"),
        ({"patternProperties": {"(?>a)": {}}}, "linear time"),
        ({"$ref": "#/elsewhere/x", "elsewhere": {"x": {"pattern": "(?<=a)b"}}}, "linear time"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "unevaluatedProperties"),
        ({"allOf": [{"patternProperties": {"a": {}}}], "unevaluatedProperties": False}, "unevaluatedProperties"),
        (
            {"$ref": "#/$defs/a", "unevaluatedProperties": False, "$defs": {"a": {"patternProperties": {"a": {}}}}},
            "unevaluatedProperties",
        ),
        ({"description": "x" * 300_000}, "larger than"),
        ("text", "object or a boolean"),
    ],
)
def test_schemas_that_cannot_be_enforced_here_are_refused(schema: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_schema(schema)


def test_deep_schema_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(40):
        schema = {"properties": {"a": schema}}
    with pytest.raises(ValueError, match="deeper than 64 levels"):
        compile_schema(schema)


@pytest.mark.parametrize(
    ("dialect", "schema", "good", "bad"),
    [
        ("http://json-schema.org/draft-04/schema#", {"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ("http://json-schema.org/draft-07/schema#", {"items": [{"type": "string"}]}, ["a", 1], [1]),
        ("https://json-schema.org/draft/2019-09/schema", {"dependentRequired": {"a": ["b"]}}, {"b": 1}, {"a": 1}),
        (None, {"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1]),
    ],
)
def test_each_draft_keeps_its_own_meaning(dialect: str | None, schema: dict[str, Any], good: Any, bad: Any) -> None:
    check = compile_schema({**schema, "$schema": dialect} if dialect else schema)
    assert check(good) is None
    assert check(bad) is not None


@pytest.mark.parametrize(
    "spelling",
    [
        "https://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft/2020-12/schema#",
    ],
)
def test_each_spelling_of_a_draft_is_that_draft(spelling: str) -> None:
    # In draft-07 what stands beside `$ref` is ignored; from 2019-09 on it counts.
    schema = {
        "$schema": spelling,
        "properties": {"n": {"$ref": "#"}, "a": {"$ref": "#/definitions/any", "type": "null"}},
    }
    check = compile_schema({**schema, "definitions": {"any": {}}})
    assert check({"n": {"a": 5}}) == (None if "draft-07" in spelling else "/n/a: must be null, is a number")


@pytest.mark.parametrize(
    "written", ["http://json-schema.org/schema#", "http://json-schema.org/draft-03/schema#", "", None]
)
def test_what_is_no_draft_is_refused_at_its_place(written: Any) -> None:
    with pytest.raises(Unenforceable) as refusal:
        compile_schema({"$schema": written, "type": "object"})
    assert (refusal.value.pointer, refusal.value.problem) == (
        "/$schema",
        "its $schema is no draft that can be enforced here",
    )


@pytest.mark.parametrize(
    ("slip", "pointer"),
    [
        ({"required": True}, "/required"),
        ({"type": "String"}, "/type"),
        ({"description": None}, "/description"),
        ({"enum": None}, "/enum"),
        ({"exclusiveMaximum": False}, "/exclusiveMaximum"),
        ({"items": [{"type": "number"}, {"type": "number"}]}, "/items"),
        ({"required": ["n", "n"]}, "/required"),
        ({"maxLength": "80"}, "/maxLength"),
        ({"additionalProperties": "true"}, "/additionalProperties"),
        ({"properties": []}, "/properties"),
        ({"anyOf": [{}, {"$ref": "#/$defs/Gone"}]}, "/anyOf/1/$ref"),
    ],
)
def test_a_slip_is_named_by_the_pointer_of_its_place(slip: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Unenforceable) as refusal:
        compile_schema({"type": "object", "properties": {"a/b": {"items": slip} if "items" not in slip else slip}})
    place = "/properties/a~1b" + ("" if "items" in slip else "/items")
    assert refusal.value.pointer == place + pointer
    assert place + pointer in str(refusal.value)


#: `z.iso.duration()` and the like: patterns with lookarounds, references back, or more repeats than RE2 takes.
BEYOND_RE2 = [
    r"^P(?!$)(?=\d|T)(\d+D)?(T(?=\d)(\d+H)?)?$|^$",
    r"^(?:(?!secret).)*$",
    r"(?<!\d)\d{4}",
    r"^(.)\1+$",
    r"^\S{1,1001}$",
    r"^[[:^alnum:]",
]


@pytest.mark.parametrize("pattern", BEYOND_RE2)
def test_a_pattern_beyond_re2_is_left_to_the_server_only_where_its_place_is_named(pattern: str) -> None:
    schema = {"properties": {"v": {"type": "string", "pattern": pattern, "maxLength": 9}, "w": {"pattern": "^a"}}}
    assert patterns_left_to_server(schema) == ("/properties/v/pattern",)
    with pytest.raises(Unenforceable, match="linear time") as refusal:
        compile_schema(schema)
    assert refusal.value.pointer == "/properties/v/pattern"
    with pytest.raises(Unenforceable):
        compile_schema(schema, left_to_server=["/properties/w/pattern"])
    check = compile_schema(schema, left_to_server=["/properties/v/pattern", "/properties/w/pattern"])
    answers = [check(value) for value in ({"v": "?"}, {"v": 5}, {"v": "x" * 10}, {"w": "b"})]
    assert answers == [
        None,
        "/v: must be a string, is a number",
        "/v: may have at most 9 characters",
        "/w: does not match the pattern",
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"pattern": "(?<=a)b"}},
        {"properties": {"a": {"oneOf": [{"pattern": "(?<=a)b"}, {"type": "null"}]}}},
        {"if": {"properties": {"a": {"pattern": "(?<=a)b"}}}, "then": {"required": ["b"]}},
        {"properties": {"a": {"contains": {"pattern": "(?<=a)b"}, "maxContains": 2}}},
        {
            "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"not": {"$ref": "#/$defs/x"}}},
            "$defs": {"x": {"pattern": "(?<=a)b"}},
        },
        {"patternProperties": {"(?<=a)b": {"type": "string"}}},
    ],
)
def test_a_pattern_is_not_left_to_the_server_where_its_absence_would_refuse_or_choose_otherwise(schema: Any) -> None:
    with pytest.raises(Unenforceable, match="linear time"):
        patterns_left_to_server(schema)


def test_a_character_is_matched_by_either_of_its_escapes() -> None:
    for pattern in (r"^\u{1F600}$", r"^\u{1f600}$"):
        assert compile_pattern(pattern)("😀")
        assert not compile_pattern(pattern)("u")
    assert compile_pattern(r"^\u0041$")("A")
    assert compile_pattern(r"^\\u{2}$")("\\uu")


def test_many_patterns_left_to_the_server_take_linear_time() -> None:
    schema = {"properties": {f"p{number}": {"pattern": "(?<=a)b"} for number in range(5000)}}
    started = time.process_time()
    assert len(patterns_left_to_server(schema)) == 5000
    assert time.process_time() - started < 20


def test_references_inside_the_document_work_and_stay_safe() -> None:
    tree = {"$schema": TICKET["$schema"], "properties": {"next": {"$ref": "#"}, "name": {"pattern": "^(a+)+$"}}}
    check = compile_schema(tree)
    started = time.process_time()
    # Through "#" the schema is met with its $schema again, where jsonschema would take its own class and Python's `re`.
    assert check({"next": {"next": {"name": "a" * 40 + "!"}}}) == "/next/next/name: does not match the pattern"
    assert time.process_time() - started < 2
    assert "$schema" in tree


def test_property_called_schema_is_still_a_property() -> None:
    assert (
        compile_schema({"properties": {"$schema": {"type": "string"}}})({"$schema": 5})
        == "/$schema: must be a string, is a number"
    )


@pytest.mark.parametrize(
    ("schema", "arguments", "message"),
    [
        (
            {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
            {"a" * 40 + "!": 1},
            "a property that is not allowed",
        ),
        ({"$ref": "#"}, {}, "cannot be applied"),
        ({"uniqueItems": True}, [{"a": n} for n in range(20_000)] + [{"a": 0}], "an entry twice"),
        ({"items": {"type": "integer"}}, [1] * 60_000, "too many steps"),
        (
            {
                "$ref": "#/$defs/a39",
                "$defs": {"a0": {"type": "string"}}
                | {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 40)},
            },
            "x",
            "too many steps",
        ),
    ],
)
def test_nothing_takes_long(schema: Any, arguments: Any, message: str) -> None:
    check = compile_schema(schema)
    started = time.process_time()
    assert message in str(check(arguments))
    assert time.process_time() - started < 5


def fans_out(keyword: str, leaf: Any) -> Any:
    """Each level judges the one below it twice, without a reference."""
    schema = leaf
    for _ in range(28):
        schema = {keyword: False, "allOf": [schema]}
    return schema


#: Two references a level, which `unevaluated...` follows before any keyword does; no keyword counts them.
DOUBLED = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}", "$dynamicRef": f"#/$defs/a{n + 1}"} for n in range(28)} | {"a28": {}}


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (fans_out("unevaluatedProperties", {"properties": {"a": {}}}), {"a": 1}),
        (fans_out("unevaluatedItems", {"prefixItems": [{}]}), [1]),
        ({"unevaluatedProperties": False, "$ref": "#/$defs/a0", "$defs": DOUBLED}, {"a": 1}),
        ({"unevaluatedProperties": False, "additionalProperties": {}}, {f"k{n}": 1 for n in range(40_000)}),
    ],
)
def test_what_is_unevaluated_is_found_in_bounded_steps(schema: Any, arguments: Any) -> None:
    check = compile_schema(schema)
    started = time.process_time()
    assert check(arguments) == "takes too many steps to check"
    assert time.process_time() - started < 5


def test_long_lists_of_long_enums_are_checked_at_once() -> None:
    check = compile_schema({"items": {"enum": [f"value-{n}" for n in range(5000)]}})
    started = time.process_time()
    assert check(["value-4999"] * 40_000) is None
    assert check(["value-4999"] * 40_000 + ["value-5000"]) == "/40000: is none of the allowed values"
    assert time.process_time() - started < 5


def test_long_lists_of_booleans_pass() -> None:
    assert compile_schema({"items": {"type": "boolean"}})([True] * 40_000) is None


def test_enum_tells_json_types_apart() -> None:
    check = compile_schema({"enum": [1, "true", {"a": 1, "b": [2]}, None]})
    assert [value for value in (1, 1.0, "true", {"b": [2], "a": 1}, None) if check(value) is not None] == []
    assert [value for value in (True, "1", 0, False, {"a": 1}, "null") if check(value) is None] == []


def test_number_beyond_every_float_is_refused_and_stops_nothing() -> None:
    assert compile_schema({"multipleOf": 0.5})(10**400) == "the schema cannot be applied"


@pytest.mark.parametrize(
    ("schema", "idle"),
    [
        ({"properties": {"a": {"$ref": "#/definitions/s", "maxLength": 1}}, "definitions": {"s": {}}}, "maxLength"),
        ({"then": {"required": ["a"]}}, "then"),
        ({"minContains": 2}, "minContains"),
    ],
)
def test_constraint_that_its_draft_ignores_is_refused_where_nothing_may_be_silent(schema: Any, idle: str) -> None:
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **schema} if "definitions" in schema else schema
    compile_schema(old)
    with pytest.raises(ValueError, match=idle):
        compile_schema(old, strict=True)


def test_unique_items_tells_json_types_apart() -> None:
    check = compile_schema({"uniqueItems": True})
    assert check([1, True, "1", [1], {"a": 1}, {"a": True}, None, 0, False]) is None
    assert check([1, 1.0]) is not None
    assert check([{"a": 1, "b": 2}, {"b": 2, "a": 1}]) is not None


def test_format_is_an_annotation_unless_strict() -> None:
    schema = {"properties": {"ip": {"format": "ipv4"}}}
    assert compile_schema(schema)({"ip": "x"}) is None
    assert compile_schema(schema, strict=True)({"ip": "x"}) == "/ip: must have the format ipv4"
    compile_schema({"properties": {"a": {"format": "uri", "x-mcp-header": "A"}}})
    for loose in ({"properties": {"a": {"format": "uri"}}}, {"properties": {"a": {"x-mcp-header": "A"}}}):
        with pytest.raises(ValueError, match="enforced"):
            compile_schema(loose, strict=True)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([a-z0-9-]+\.)+[A-Za-z]{2,}$", "a.b@c.de", "a..b@c.de"),
        (r"^(?=.*[A-Z])(?=.*\d).{4,}$", "aaA1", "aaaa1"),
        (r"^(?=a|b)\w+$", "bc", "cc"),
        (r"^(?![(|\])])x?", "x(", "(x"),
        (r"^(?=(a|b)c)", "bcd", "bd"),
        (r"\u0041\\u", "A\\u", "B\\u"),
        ("b", "abc", "ac"),
    ],
)
def test_common_generated_patterns_are_matched_as_ecmascript_does(pattern: str, yes: str, no: str) -> None:
    matches = compile_pattern(pattern)
    assert matches(yes)
    assert not matches(no)


def test_typical_check_is_quick() -> None:
    check = compile_schema(TICKET)
    arguments = {"query": "all of them", "limit": 5, "tags": ["a", "b"], "state": "open"}
    started = time.process_time()
    for _ in range(2000):
        check(arguments)
    each = (time.process_time() - started) / 2000
    print(f"check {each * 1e6:.0f} us")
    assert each < 1e-3
