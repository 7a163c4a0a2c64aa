"""Directional marks pass in comments, where Hebrew and Arabic need them, and nothing else that nobody sees passes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import InputError
from model.loader import parse

FILE = Path("a.yaml")
MARKS = ["\u200e", "\u200f", "\u061c"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    "text",
    [
        "# שלום{mark} (1)\na: 1\n",
        "a: 1 # {mark}مرحبا{mark} 12\nb: 2\n",
        "a: 1\n#{mark}\n",
        "a:\n  # {mark}\n  - 1 # {mark}\n  - 2\n",
        'a: "x # y" # {mark}\n',
        "a: |\n  text\n# {mark}\nb: 1\n",
        "\ufeffa: 1 # {mark}\n",
        "# {mark}\n",
    ],
)
def test_a_mark_in_a_comment_changes_nothing(text: str, mark: str) -> None:
    assert parse(text.replace("{mark}", mark), FILE).value == parse(text.replace("{mark}", ""), FILE).value


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a{mark}: 1\n", 1),
        ("a: get{mark}\n", 1),
        ("a: {mark}get\n", 1),
        ("a: get{mark} # שלום\n", 1),
        ("a: {mark}# text\n", 1),
        ('a: 1\nb: "x # {mark}y"\n', 2),
        ("a: 'x #{mark}'\n", 1),
        ("a: |\n  text # {mark}\nb: 1\n", 2),
        ("a: one\n  #{mark}two\n".replace("  #", "  x#"), 2),
        ("\ufeffa: get{mark}\n", 1),
        ("a: [x, {mark}]\n", 1),
        ("a: &x{mark} 1\n", 1),
    ],
)
def test_a_mark_in_a_key_or_value_is_refused(text: str, line: int, mark: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(text.replace("{mark}", mark), FILE)
    assert str(refused.value).startswith(f"{FILE}:{line}")


def test_an_escape_of_one_says_what_it_is_and_passes() -> None:
    assert parse('a: "x\\u200f" # \u200f\n', FILE).value == {"a": "x\u200f"}


@pytest.mark.parametrize("char", [*"\u202a\u202b\u202c\u202d\u202e", *"\u2066\u2067\u2068\u2069", "\u200b", "\u00ad"])
def test_what_reorders_a_line_is_refused_in_comments_too(char: str) -> None:
    """Embeddings, overrides and isolates, and their ends, as in "Trojan Source"."""
    with pytest.raises(InputError, match=f"U\\+{ord(char):04X}"):
        parse(f"a: 1 # שלום {char} x\n", FILE)
