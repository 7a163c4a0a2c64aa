"""Lays out tables of text: aligned for a terminal, one row a line with tabs for a pipe; no cell is ever cut.

Where a row is wider than the terminal, the columns that do not fit go below it, indented and with their names.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.cells import cell_len

from model.text import visible

_GAP = "  "
_INDENT = "    "
_COMMAND = re.compile(r"`[^`\n]+`")
#: Stands for a blank at which no line ends.
_JOINED = "\N{NO-BREAK SPACE}"
#: A terminal narrower than this gets lines of this width all the same.
_NARROWEST = 40


def piped(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A line per row with a tab between whole cells, as `cut` and `awk` take them."""
    return ["\t".join(map(visible, row)) for row in (columns, *rows)]


def laid_out(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    paint: Callable[[str], str] = str,
    heading: Callable[[str], str] = str,
) -> list[str]:
    """The lines of a table for a terminal of `width`. A column without any text is left out, and so is its name.

    Args:
        paint: colours a cell of a row; it adds no width.
        heading: the same for the names of the columns.
    """
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = {
        index: max(cell_len(text) for text in (name, *(row[index] for row in cells)))
        for index, name in enumerate(columns)
        if not cells or any(row[index] for row in cells)
    }
    fitting = {index: widths[index] for index in _fitting(widths, width)}
    below = [index for index in widths if index not in fitting]
    lines = [_line(columns, fitting, heading)]
    for row in cells:
        lines.append(_line(row, fitting, paint))
        lines += _below([f"{columns[index]}: {row[index]}" for index in below if row[index]], width)
    return lines


def _below(parts: Sequence[str], width: int) -> list[str]:
    """What goes below a row, as many parts a line as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1] + _GAP + part) <= width:
            lines[-1] += _GAP + part
        else:
            lines += paragraph(part, width)
    return lines


def _fitting(widths: Mapping[int, int], width: int) -> Iterator[int]:
    """The columns of the first line: the first, and from the left each that still fits."""
    room = width
    for place, (index, needed) in enumerate(widths.items()):
        if place == 0 or needed <= room:
            yield index
            room -= needed + len(_GAP)


def _line(cells: Sequence[str], widths: Mapping[int, int], paint: Callable[[str], str]) -> str:
    padded = (paint(cells[index]) + " " * (wide - cell_len(cells[index])) for index, wide in widths.items())
    return _GAP.join(padded).rstrip()


def paragraph(text: str, width: int, indent: str = _INDENT) -> list[str]:
    """Text wrapped between words, indented; a word longer than the line stays whole, and so does a command in backticks,
    which somebody pastes."""
    joined = _COMMAND.sub(lambda match: match[0].replace(" ", _JOINED), text)
    lines = textwrap.wrap(
        joined,
        max(width, _NARROWEST),
        initial_indent=indent,
        subsequent_indent=indent + _GAP,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_JOINED, " ") for line in lines]
