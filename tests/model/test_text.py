"""A character that a reviewer cannot see is written out, and nothing else is changed."""

from __future__ import annotations

import pytest

from model.text import is_hidden, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  text ", "plain text"),
        ("a\tb\r\nc", "a b c"),
        ("a\u200bb", "a<U+200B>b"),
        ("\x1b[2J", "<U+001B>[2J"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("\U000e0041\ufe0f\u3164", "<U+E0041><U+FE0F><U+3164>"),
        ("é 漢 \U0001f600", "é 漢 \U0001f600"),
    ],
)
def test_hidden_characters_are_written_out_on_one_line(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_white_space_is_no_hidden_character_and_other_controls_are() -> None:
    assert not any(map(is_hidden, "\t\n\r aé漢"))
    assert all(map(is_hidden, "\0\x7f\u200d\ufeff\u2800"))
