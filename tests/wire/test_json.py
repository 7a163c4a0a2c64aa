"""One meaning or refused: what was read is what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.json import NotJson, check_depth, read_json
from wire.json import MAX_DEPTH, Malformed, dump, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1,"\\u0061":2}',
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"\\ud800":1,"\\udbff":2}',
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"",
        b"{} {}",
        b"{'a':1}",
        b"[1,]",
        b'"a\nb"',
        b"01",
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" * 100_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"1" * 5000,
    ],
)
def test_what_two_readers_could_take_differently_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a":1}\r\n', {"a": 1}),
        (b'{"text":"tools \\ud83d"}', {"text": "tools \ufffd"}),
        (b'["\\udc00x", "\\ud83d\\ud83d\\ude00", "\\ude00\\ud83d"]', ["\ufffdx", "\ufffd\U0001f600", "\ufffd\ufffd"]),
        (b'{"\\udc00x":{"y":["\\udfff"]}}', {"\ufffdx": {"y": ["\ufffd"]}}),
    ],
)
def test_what_every_reader_takes_for_the_same_is_read(body: bytes, value: Any) -> None:
    assert parse(body) == value
    assert json.loads(dump(parse(body))) == value


def test_depth_counts_levels_not_brackets() -> None:
    wide = b"[" + b",".join([b"[]"] * 500) + b"]"
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert len(parse(wide)) == 500
    assert parse(deep)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":["[[[[", "\\\\", "\\"{{{"]}',
        '{"[":{"]":["}"]}}',
        '["\\\\\\"[", {"\\"": "]"}, [[]]]',
        '"[[["',
        "7",
        '[ { "a" : [ ] } ]',
    ],
)
@pytest.mark.parametrize("depth", range(6))
def test_a_bracket_in_a_string_is_no_level(text: str, depth: int) -> None:
    def levels(value: Any) -> int:
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if children is None else 1 + max(map(levels, children), default=0)

    if levels(json.loads(text)) > depth:
        with pytest.raises(NotJson):
            check_depth(text.encode(), depth)
    else:
        check_depth(text.encode(), depth)


@given(JSON)
def test_what_was_read_is_what_is_written(value: Any) -> None:
    read = parse(json.dumps(value).encode())
    assert parse(dump(read)) == read
    assert json.loads(dump(read)) == json.loads(json.dumps(value))


#: Fragments from which texts are made that two readers might take differently.
FRAGMENTS = st.lists(
    st.sampled_from(
        (
            *('{"a":', '{"a":1,"a":', "}", "[", "]", ",", "1", "1.0", "-0", "-0.0", "1e3", "1E400"),
            *("9007199254740993", "18446744073709551616", '"\\ud800"', '"\\ud83d\\ude00"', '"\\/"', '"\\u0041"'),
            *('"é"', " ", "null", "NaN"),
        )
    ),
    max_size=8,
).map("".join)


@given(FRAGMENTS | JSON.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)))
def test_the_quick_reading_of_a_text_is_the_strict_one(text: str) -> None:
    body = text.encode("utf-8", "replace")
    try:
        strict = read_json(body, MAX_DEPTH, replace_halves=True)
    except NotJson:
        with pytest.raises(Malformed):
            parse(body)
        return
    # As text: 1 and 1.0 are equal in Python, and are two texts.
    assert repr(parse(body)) == repr(strict)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(body: bytes) -> None:
    try:
        value = parse(body)
    except Malformed:
        return
    assert parse(dump(value)) == value


def test_an_error_quotes_nothing_of_the_input() -> None:
    for body in (b'{"sk-secret":1,"sk-secret":2}', b'"sk-secret', b'["sk-secret", NaN]'):
        with pytest.raises(Malformed) as raised:
            parse(body)
        assert "secret" not in str(raised.value)
