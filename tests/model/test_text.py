"""A character that a reviewer cannot see is written out, and nothing else is changed."""

from __future__ import annotations

import pytest

from model.text import first_unseen, hidden_in, is_hidden, printable, visible


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
        ("\u26a0\ufe0f ok", "\u26a0\ufe0f ok"),
        ("\u26a0\ufe0f\ufe0f", "\u26a0\ufe0f<U+FE0F>"),
        ("3\ufe0f\u20e3 3\ufe0f", "3\ufe0f\u20e3 3<U+FE0F>"),
        ("\U0001f469\u200d\U0001f4bb a\u200db", "\U0001f469\u200d\U0001f4bb a<U+200D>b"),
    ],
)
def test_hidden_characters_are_written_out_on_one_line(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("two\n  lines\tand a tab", "two\n  lines\tand a tab"),
        ("done\rerror: none", "done<U+000D>error: none"),
        ("\x1b[2J\x1b]0;title\x07", "<U+001B>[2J<U+001B>]0;title<U+0007>"),
        ("a\u202eb\u3164", "a<U+202E>b<U+3164>"),
        ("漢\u3000字\u00a0!", "漢\u3000字\u00a0!"),
        ("é 漢 \U0001f469\u200d\U0001f4bb", "é 漢 \U0001f469\u200d\U0001f4bb"),
    ],
)
def test_a_text_of_several_lines_moves_no_terminals_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_white_space_is_no_hidden_character_and_other_controls_are() -> None:
    assert not any(map(is_hidden, "\t\n\r aé漢"))
    assert all(map(is_hidden, "\0\x7f\u200d\ufeff\u2800"))


def test_hidden_characters_are_those_that_draw_nothing_where_they_stand() -> None:
    assert hidden_in("\u26a0\ufe0f fine\u00a0\u202f") == []
    assert hidden_in("\u26a0\ufe0f\ufe0f \u200b\u200b \U000e0041") == ["\u200b", "\ufe0f", "\U000e0041"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("plain\x1b", None),
        ("é\u200b", (1, "\u200b")),
        ("\u26a0\ufe0f and \U0001f469\u200d\U0001f4bb x\u00ad", (12, "\u00ad")),
        ("of a later Unicode: \U0001fae9", None),
        ("a\u00a0wide\u3000space", None),
        ("\U000e0041", (0, "\U000e0041")),
    ],
)
def test_the_first_character_that_nobody_sees_is_found_where_it_stands(
    text: str, place: tuple[int, str] | None
) -> None:
    assert first_unseen(text) == place
