"""JSON has one reader, however deep it may be and whoever asks."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from model.json import NotJson, parse_json, read_json, without_strings
from wire.json import Malformed, parse

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        "[NaN]",
        "[1e999]",
        '{"\\ud800":1,"\\uDC00":2}',
        "\ufeff\ufeff{}",
        "",
        "{} {}",
        "[" * 5000,
        "1" * 5000,
    ],
)
def test_files_and_wire_refuse_the_same(text: str) -> None:
    for body in (text, text.encode()):
        with pytest.raises(NotJson):
            read_json(body, 10)
        with pytest.raises(ValueError, match=r"."):
            parse_json(body)
    with pytest.raises(Malformed):
        parse(text.encode())


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\uDC00":1}', "\ufeff{}"])
def test_files_refuse_what_the_wire_reads_in_its_one_meaning(text: str) -> None:
    with pytest.raises(NotJson):
        read_json(text.encode(), 10)
    assert "\ud800" not in str(parse(text.encode()))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a":1,"a":2}', "the key a appears twice"),
        ('{"a":{"b":1,"c":2,"b":3}}', "the key b appears twice"),
        ("[NaN]", "NaN is not JSON"),
        ("[1e999]", "out of range"),
        ("[" * 5000 + "]" * 5000, "nested deeper"),
        ("[" * 150 + "]" * 150, "nested deeper"),
        ('["\\ud800"]', "surrogate"),
    ],
)
def test_json_two_readers_could_take_differently_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_json(text)


def test_bytes_are_utf_8_alone() -> None:
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        with pytest.raises(NotJson):
            read_json('{"a":1}'.encode(encoding), 10)


def test_a_whole_pair_of_surrogates_is_a_character() -> None:
    assert read_json('"\\ud83d\\ude00"', 10) == "\U0001f600"


def test_only_its_author_is_told_which_key_appears_twice() -> None:
    text = '{"secret\\u200b":1,"b":2,"secret\\u200b":3}'
    with pytest.raises(NotJson, match=r"^a key appears twice$"):
        read_json(text, 10)
    with pytest.raises(ValueError, match=r"^the key secret<U\+200B> appears twice$"):
        parse_json(text)


def test_nobody_else_makes_a_strict_reader() -> None:
    makers = {
        str(file.relative_to(ROOT))
        for folder in ("cli", "components", "engine", "guard", "model", "operations", "plan", "wire")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.keyword) and node.arg in ("object_pairs_hook", "parse_constant")
    }
    # The second one reads what the first refused, to say where its fault is; nothing of it is passed on.
    assert makers == {"model/json.py", "wire/faults.py"}


def test_a_key_is_quoted_by_its_beginning() -> None:
    with pytest.raises(ValueError, match=f"^the key {'k' * 64} appears twice$"):
        parse_json(f'{{"{"k" * 9000}":1,"{"k" * 9000}":2}}')


@pytest.mark.parametrize("before", [0, 65_530, 65_533, 65_534, 65_535, 65_536])
@pytest.mark.parametrize("string", ["", "x", '"', "\\", '\\"', '"\\', '[{"a":1}]\\\\', "\n,:"])
def test_nothing_of_a_string_is_left_wherever_a_piece_of_the_text_ends(before: int, string: str) -> None:
    """What is left says how deep the text is, and how much memory its value takes."""
    text = json.dumps([string, {string: ["a" * before, string, [1]]}, string], separators=(",", ":"))
    strings = len(re.findall(r'"(?:[^"\\]|\\.)*"', text))
    assert without_strings(text.encode()) == (b"[,{:[,,[1]]},]", strings)
