"""Every string has its place; a value whose places cost more than any honest one's is not passed on."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from guard.inspect.content import MAX_POINTERS, content_of
from guard.inspect.verdict import Text


def test_every_string_and_every_key_that_could_speak_stands_at_its_place() -> None:
    value = {"a": ["x", {"b/c": "y"}], "a key in words": 1, "n": 2}
    assert content_of(value).texts == (
        Text("/a key in words#", "a key in words"),
        Text("/a/0", "x"),
        Text("/a/1/b~1c#", "b/c"),
        Text("/a/1/b~1c", "y"),
    )


@pytest.mark.parametrize(
    "value",
    [
        {"k" * 20_000: ["a"] * 200_000},
        {"k" * 400_000: {f"k{number}": "v" for number in range(60_000)}},
        ["a" * 10, {"k" * 100_000: [["b"]] * 10_000}],
    ],
    ids=["list", "object", "nested"],
)
def test_a_long_key_over_many_items_is_not_written_out_for_each(value: object) -> None:
    tracemalloc.start()
    try:
        assert content_of(value).unreadable is not None
        assert tracemalloc.get_traced_memory()[1] < MAX_POINTERS
    finally:
        tracemalloc.stop()


def test_a_large_honest_table_is_read_to_its_end() -> None:
    rows = [{"ticket_number": f"T{number}", "summary": "Printer"} for number in range(20_000)]
    content = content_of({"structuredContent": {"rows": rows}})
    assert content.unreadable is None
    assert len(content.texts) == 40_000


def test_the_envelopes_own_names_are_no_text_and_any_other_name_is() -> None:
    version = "io.modelcontextprotocol/protocolVersion"
    foreign = "io.modelcontextprotocol/protocolversion"
    texts = {text.value for text in content_of({"_meta": {version: "2026-07-28", foreign: "x"}}).texts}
    assert texts == {"2026-07-28", foreign, "x"}


def test_text_of_a_subclass_is_inspected_like_any_other() -> None:
    class Quoted(str): ...

    class Members(dict[str, Any]): ...

    class Items(list[Any]): ...

    value = Members(a=Items([Quoted("one"), Members({Quoted("a long name"): Quoted("two")})]))
    plain = {"a": ["one", {"a long name": "two"}]}
    assert content_of(value) == content_of(plain)


def test_what_can_say_something_is_found_among_items_that_cannot() -> None:
    items = [
        0,
        -7,
        2.5,
        None,
        True,
        "",
        [],
        {},
        "say",
        ["", ["deep"]],
        {"a": {}, "b": [3, "member"]},
        4_111_111_111_111_111,
    ]
    texts = {text.pointer: text.value for text in content_of({"list": items, "empty": "", "none": {}}).texts}
    assert texts == {
        "/list/8": "say",
        "/list/9/1/0": "deep",
        "/list/10/b/1": "member",
        "/list/11": "4111111111111111",
    }
