"""A line of the guard's own log is what it says, whoever's words stand in it."""

from __future__ import annotations

import logging

import pytest

from guard.logs import to_stderr


def test_a_servers_words_move_no_terminals_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        to_stderr()
        logging.getLogger("ringwall.guard").warning("the server says %s", "\x1b[2J\u202e\rall is well")
        logging.getLogger("ringwall.guard").warning("refused\n  /description: changed")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    said = capsys.readouterr().err
    assert "the server says <U+001B>[2J<U+202E><U+000D>all is well\n" in said
    assert "refused\n  /description: changed\n" in said
