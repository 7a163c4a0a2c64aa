"""Nothing that a server or a stranger's file says moves a terminal's cursor, in whichever way a command shows it."""

from __future__ import annotations

import pytest

from cli import colours, console

ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e\r"
SHOWN = "<U+001B>[2J<U+001B>]0;title<U+0007><U+202E><U+000D>"


def test_lines_notes_and_tables_write_out_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    console.say(f"a {ESCAPES}")
    console.say_coloured(f"+ b {ESCAPES}")
    console.table(("name", "state"), [(f"c {ESCAPES}", "ok")])
    console.note(f"error: d {ESCAPES}")
    said = capsys.readouterr()
    for word in ("a", "b", "c"):
        assert f"{word} {SHOWN}" in said.out
    assert f"error: d {SHOWN}\n" == said.err
    assert "\x1b" not in said.out + said.err


def test_the_commands_own_colours_stay_and_no_others_do() -> None:
    coloured = colours.word("ok")
    assert coloured != "ok"
    assert colours.harmless(f"{coloured}  {ESCAPES}") == f"{coloured}  {SHOWN}"
    assert colours.harmless(colours.heading("name")) == colours.heading("name")
    assert colours.harmless("\x1b[8mhidden\x1b[30mblack\x1b[1;5m") == (
        "<U+001B>[8mhidden<U+001B>[30mblack<U+001B>[1;5m"
    )
