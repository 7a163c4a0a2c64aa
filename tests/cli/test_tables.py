"""Tables cut nothing: what does not fit a terminal goes below its row, and a pipe gets whole cells without padding."""

from __future__ import annotations

import pytest
from rich.text import Text

from cli import colours
from cli.tables import laid_out, piped
from model.project import Project
from model.text import counted
from tests.support.command_line import on_a_terminal, ringwall

HOSTNAME = "the-ticket-desk-of-the-northern-office.internal-tools.example.com"
COLUMNS = ["server", "hostname", "incident", "note"]
ROWS = [["dev.tickets", HOSTNAME, "a84bedef055cac92", "closed by lockdown"], ["dev.two", "two.example.com", "", ""]]


def unstyle(text: str) -> str:
    return Text.from_ansi(text.replace("\r", "")).plain


def test_what_fits_stands_in_columns() -> None:
    assert laid_out(COLUMNS, ROWS, 130) == [
        f"server       hostname{' ' * (len(HOSTNAME) - 8)}  incident          note",
        f"dev.tickets  {HOSTNAME}  a84bedef055cac92  closed by lockdown",
        "dev.two      two.example.com",
    ]


def test_what_does_not_fit_goes_below_its_row_whole() -> None:
    assert laid_out(COLUMNS, ROWS, 60) == [
        "server       incident          note",
        "dev.tickets  a84bedef055cac92  closed by lockdown",
        "    hostname:",
        f"      {HOSTNAME}",
        "dev.two",
        "    hostname: two.example.com",
    ]


def test_parts_below_a_row_share_a_line_where_they_fit() -> None:
    assert laid_out(["a", "b", "c"], [["x" * 38, "y" * 10, "z" * 10]], 40) == [
        "a",
        "x" * 38,
        f"    b: {'y' * 10}  c: {'z' * 10}",
    ]


def test_a_column_without_any_text_is_left_out() -> None:
    assert laid_out(["stack", "note", "count"], [["dev", "", "1"]], 80) == ["stack  count", "dev    1"]


def test_a_wide_letter_takes_two_columns() -> None:
    assert laid_out(["a", "b"], [["東京", "x"], ["ab", "y"]], 80) == ["a     b", "東京  x", "ab    y"]


def test_a_cell_cannot_rewrite_the_screen() -> None:
    assert laid_out(["a"], [["x\x1b[2J\ny"]], 80)[1] == "x<U+001B>[2J y"
    assert piped(["a", "b"], [["x\ty", "z\n"]]) == ["a\tb", "x y\tz"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  + one  Route", "  \x1b[32m+ one  Route\x1b[0m"),
        ("  - one  Route", "  \x1b[31m- one  Route\x1b[0m"),
        ("error: no", "\x1b[31m\x1b[1merror\x1b[0m: no"),
        ("warning: no", "\x1b[33m\x1b[1mwarning\x1b[0m: no"),
        ("      config.minute: 60 → 30", "      config.minute: 60 → 30"),
    ],
)
def test_a_line_has_the_colour_of_how_it_begins(text: str, shown: str) -> None:
    assert colours.line(text) == shown
    assert unstyle(shown) == text


def test_counts_have_the_colour_of_their_sign() -> None:
    assert colours.word("+2 ~1 =3") == "\x1b[32m+2\x1b[0m \x1b[33m~1\x1b[0m =3"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 policies"), (1, "1 policy"), (2, "2 policies"), (1_000, "1000 policies")]
)
def test_a_number_and_its_noun_agree(number: int, text: str) -> None:
    assert counted(number, "policy", "policies") == text


def test_a_pipe_gets_a_tab_between_whole_cells(project: Project) -> None:
    file = project.stack_file("dev.one")
    file.write_text(file.read_text().replace("hostname: one.example.com", f"hostname: {HOSTNAME[-40:]}"))
    lines = ringwall("list", "--project", project.root).out.splitlines()
    assert f"dev.one\t{HOSTNAME[-40:]}\tdev-1\taccess\t3 of 4\t" in "\n".join(lines)
    assert [line for line in lines if line != line.rstrip(" ")] == []


def test_a_terminal_gets_the_lines_of_doctor_in_its_width_with_commands_whole(project: Project) -> None:
    arguments = ["doctor", "dev", "--offline", "--project", str(project.root)]
    _, shown = on_a_terminal(arguments, [], COLUMNS="70", TERM="dumb")
    lines = shown.replace("\r", "").splitlines()
    assert [line for line in lines if len(line) > 70 and not line.startswith(("rehearsal", "planning"))] == []
    assert any("`ringwall revoke`" in line for line in lines)
    piped = ringwall(*arguments).out.splitlines()
    assert any(line.startswith("  skipped  permissions [dev]: ") and line.endswith("(account)") for line in piped)


def test_a_terminal_gets_whole_names_in_80_columns_and_colours_where_it_may(project: Project) -> None:
    arguments = ["list", "--project", str(project.root)]
    code, shown = on_a_terminal(arguments, [], COLUMNS="60", TERM="xterm")
    assert code == 0
    assert "\x1b[1mserver\x1b[0m" in shown
    plain = unstyle(shown).splitlines()
    assert any("hosted.example.com" in line for line in plain)
    assert "…" not in shown
    for environment in ({"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}):
        _, bare = on_a_terminal(arguments, [], COLUMNS="60", **environment)
        assert bare.splitlines() == plain  # not a byte of colour
