"""What a user sees: results on standard output, progress and errors on standard error.

Colour only where a terminal is and NO_COLOR is not set (no-color.org); with --json standard output holds one document.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from cli import colours, invocation
from cli.invocation import Invocation
from cli.streams import writes_unicode
from cli.suggestions import complete, complete_document
from model.errors import InputError
from model.text import printable

if TYPE_CHECKING:
    from rich.console import Console

#: Columns where no terminal says how wide it is: a log or a pipe.
_WIDE = 160


def stdout() -> Console:
    return _console(sys.stdout.isatty(), stderr=False)


def stderr() -> Console:
    return _console(sys.stderr.isatty(), stderr=True)


def _console(terminal: bool, *, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes

    return Console(
        stderr=stderr,
        highlight=False,
        soft_wrap=True,
        width=None if terminal else _WIDE,
        no_color=True if "NO_COLOR" in os.environ else None,
    )


def say(text: str = "", *, options: Invocation | None = None) -> None:
    """A line of the result, at once also into a pipe; silent with --json. `options` are named in other threads."""
    options = options or invocation.current()
    if not options.json:
        text = complete(text, options)
        print(colours.harmless(text) if colours.are_wanted(sys.stdout) else printable(text), flush=True)


def say_coloured(text: str) -> None:
    """A line of the result in the colour of how it begins: with the sign of a change, or with error or warning."""
    say(colours.line(text) if colours.are_wanted(sys.stdout) else text)


def coloured(word: str) -> str:
    """A word of the result in the colour of what it says."""
    return colours.word(word) if colours.are_wanted(sys.stdout) else word


def note(text: str, *, options: Invocation | None = None) -> None:
    """Progress or advice, on standard error. `options` are named in other threads."""
    text = printable(complete(text, options or invocation.current()))
    with suppress(OSError):  # progress that nobody can read stops no work
        print(colours.line(text) if colours.are_wanted(sys.stderr) else text, file=sys.stderr, flush=True)


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """The one document of a --json command: sorted keys, two spaces; a rehearsal's says that it is one."""
    options = invocation.current()
    document = complete_document(document, options)
    if options.sandbox and isinstance(document, Mapping):
        document = {**document, "sandbox": True}
    print(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=not writes_unicode()), flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """A table of the result, laid out for a terminal; into a pipe whole cells with tabs, unless COLUMNS is set.

    Silent with --json.
    """
    from cli.tables import laid_out, piped  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes

    if title is not None:
        say(title)
    rows = [[printable(complete(cell, invocation.current())) for cell in row] for row in rows]  # before it is measured
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        lines = piped(columns, rows)
    else:
        paints = (colours.word, colours.heading) if colours.are_wanted(sys.stdout) else ()
        lines = laid_out(columns, rows, width(), *paints)
    for line in lines:
        say(line)


def width() -> int:
    """Columns of the terminal: COLUMNS, else what it says of itself, else 80."""
    return shutil.get_terminal_size().columns


@contextmanager
def working(text: str) -> Iterator[None]:
    """Progress for what takes over a second: a spinner on a terminal, one line elsewhere."""
    console = stderr()
    if console.is_terminal and not console.is_dumb_terminal:
        with console.status(text):
            yield
    else:
        note(text)
        yield


def interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not invocation.current().json


def ask(question: str, *, yes: bool) -> bool:
    """Ask for consent; `yes` is --yes. Without a terminal and without --yes the answer is an error, never a guess."""
    if yes:
        return True
    if not interactive():
        raise InputError(f"nobody can be asked here: {question}", remedy="add --yes to agree")
    return answer(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def answer(prompt: str) -> str:
    """The line that somebody types behind `prompt`; empty at the end of the input."""
    try:
        print(printable(prompt), end="", file=sys.stderr, flush=True)
        return sys.stdin.readline()
    except KeyboardInterrupt:
        note("")  # what is said next gets a line of its own
        raise


def consent(question: str, *, yes: bool) -> None:
    """Ask for consent, and end the command with a note where it is refused."""
    if not ask(question, yes=yes):
        note("nothing was changed")
        raise typer.Exit(1)
