"""A reviewer sees every word that went or came."""

from __future__ import annotations

from model.word_difference import word_difference


def test_what_went_and_what_came_stand_beside_what_stayed() -> None:
    assert word_difference("a b c", "a x c d") == "a [-b-] {+x+} c {+d+}"
    assert word_difference("a", "a") == ""


def test_long_runs_of_equal_words_are_counted_not_shown() -> None:
    pad = " ".join(f"w{number}" for number in range(100))
    shown = word_difference(f"one {pad} end", f"two {pad} end")
    assert shown == ("[-one-] {+two+} w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 (… 91 equal words …)")


def test_padding_of_any_length_hides_no_word() -> None:
    pad = " ".join(f"w{number}" for number in range(30_000))
    shown = word_difference(f"Gets {pad} it.", f"Reads {pad} ~/.ssh/id_rsa and {pad} it.")
    assert "{+Reads " in shown
    assert "~/.ssh/id_rsa and" in shown
    assert "[-Gets-]" in shown
