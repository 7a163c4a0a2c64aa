"""Two JSON values are compared place by place."""

from __future__ import annotations

from model.difference import ABSENT, MAX_SHOWN, ValueChange, by_key, by_pointer, descend, pointers


def test_every_place_that_differs_is_named_by_its_pointer_in_order() -> None:
    before = {"b": 1, "a/~": "x", "same": [1, {"deep": 1}], "list": [1]}
    after = {"c": None, "a/~": "y", "same": [1, {"deep": 2}], "list": [1, 2]}
    assert list(pointers(before, after)) == [
        ValueChange("/a~1~0", '"x"', '"y"'),
        ValueChange("/b", "1", None),
        ValueChange("/c", None, "null"),
        ValueChange("/list", "[1]", "[1, 2]"),
        ValueChange("/same/1/deep", "1", "2"),
    ]


def test_true_is_not_one_and_equal_values_have_no_difference() -> None:
    assert list(pointers({"a": 1}, {"a": True})) == [ValueChange("/a", "1", "true")]
    assert list(pointers({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})) == []


def test_a_long_value_is_cut_and_a_hidden_character_shown() -> None:
    (change,) = pointers("a\u202eb", "x" * 1000)
    assert change.before is not None
    assert "\u202e" not in change.before
    assert change.after is not None
    assert change.after.startswith('"' + "x" * (MAX_SHOWN - 1) + "… (1002 characters, sha256:")


def test_null_and_an_absent_key_are_two_things_to_an_exact_comparison() -> None:
    assert list(by_pointer({"a": None}, {})) == [("/a", None, ABSENT)]
    assert list(by_pointer({"a": None}, {"a": None})) == []
    assert list(by_pointer({}, {"a": 1})) == [("/a", ABSENT, 1)]


def test_a_comparison_says_what_is_one_value_to_it() -> None:
    before, after = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 1, "y": 3}, "b": 1}
    top_keys = list(descend(before, after, lambda path, left, right: None if path else by_key(left, right)))
    assert top_keys == [(("a",), before["a"], after["a"]), (("b",), 1, 1)]
    assert list(descend(before, after, lambda *_: ())) == []
