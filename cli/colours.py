"""Colours on a terminal: for the signs of a change and for words that say how something ended.

None where output goes into a pipe, where NO_COLOR is set (no-color.org: to anything but nothing), or on a dumb terminal.
"""

from __future__ import annotations

import os
import re
from typing import TextIO

import typer

from model.text import printable

_SIGNS = {"+": "green", "~": "yellow", "±": "magenta", "∓": "magenta", "-": "red", "!": "yellow"}
_ENDINGS = {
    "red": ("error", "failed", "fail", "broken", "drift", "high", "block", "refuse"),
    "yellow": ("warning", "skipped", "skip", "interrupted", "medium", "flag", "redact", "unreachable"),
    "green": ("ok", "pass", "done", "allow"),
}
_WORDS = {word: colour for colour, words in _ENDINGS.items() for word in words}
_SIGNED = re.compile(r"( *)([+~±∓!-])( .*|\d+)", re.DOTALL)
#: What `typer.style` writes for the colours above.
_COLOURS = re.compile(r"(\x1b\[(?:0|1|31|32|33|35)m)")
_JUDGED = re.compile(r"(error|warning)(?=:)")


def are_wanted(stream: TextIO) -> bool:
    """Whether colours may go to this stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def harmless(text: str) -> str:
    """A text in which nothing but these colours moves a terminal: a server or a stranger's file may have written in it."""
    if "\x1b" not in text:
        return printable(text)
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(_COLOURS.split(text)))


def word(text: str) -> str:
    """A cell of a table: coloured where it is a word that says how something ended, or counts by sign."""
    if colour := _WORDS.get(text.lower()):
        return typer.style(text, fg=colour)
    return " ".join(line(part) for part in text.split(" ")) if text[:1] in _SIGNS else text


def line(text: str) -> str:
    """A line in the colour of the sign it begins with; of ``error:`` and ``warning:`` the word alone is coloured."""
    if match := _SIGNED.fullmatch(text):
        return match[1] + typer.style(match[2] + match[3], fg=_SIGNS[match[2]])
    if match := _JUDGED.match(text):
        return typer.style(match[1], fg=_WORDS[match[1]], bold=True) + text[match.end() :]
    return text


def heading(text: str) -> str:
    """The name of a column."""
    return typer.style(text, bold=True) if text else text
