"""The demo's stage: the story in few lines on the screen, and everything that the commands say in a log."""

from __future__ import annotations

import contextlib
import io
import shlex
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from cli import console, invocation, main
from cli.exit_codes import INTERRUPTED
from model.errors import RingwallError

WIDTH = 80
_INDENT = "   "


@dataclass
class Step:
    """One step of the story as data: its commands, each with its exit code and seconds, and what it showed."""

    number: int
    title: str
    commands: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)


class _Copy(io.StringIO):
    """Keeps what is written, and writes it to the log at once."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def write(self, text: str) -> int:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(text)
        return super().write(text)


class Stage:
    """Tells the story. `log` is the file for what the commands say."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.steps: list[Step] = []

    def step(self, title: str) -> Step:
        """Begin the next step."""
        self.steps.append(Step(len(self.steps) + 1, title))
        self.log_line(f"\n==== {len(self.steps)}. {title}")
        console.say(f"\n{len(self.steps)}. {title}")
        return self.steps[-1]

    def say(self, text: str, *, label: str = "") -> None:
        """A part of the story, wrapped between words; its further lines stand below the end of `label`."""
        indent = _INDENT + " " * len(label)
        wrapped = textwrap.wrap(
            text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        for number, line in enumerate(wrapped):
            console.say(f"{_INDENT}{label}{line.strip()}" if number == 0 else line)

    def show_command(self, *arguments: str) -> None:
        """A command as a user would type it, its lines ending in a backslash where it goes on."""
        words = textwrap.wrap(
            f"$ {shlex.join(('ringwall', *arguments))}", WIDTH - len(_INDENT) - 2, subsequent_indent="    ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        for line in words[:-1]:
            console.say(f"{_INDENT}{line} \\")
        console.say(_INDENT + words[-1])

    def log_line(self, text: str) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")

    @contextlib.contextmanager
    def running(self, shown: str, *, label: str | None = None) -> Iterator[io.StringIO]:
        """What is said in this block goes to the log and the value, while the screen shows that it (or `label`) runs."""
        self.log_line(f"\n$ {shown}")
        out = _Copy(self.log)
        with _working(label or shown), contextlib.redirect_stdout(out), contextlib.redirect_stderr(_Copy(self.log)):
            yield out

    def ringwall(self, *arguments: str, expected: int = 0, in_project: bool = True) -> str:
        """Run one command in this process, its words into the log; its standard output. `in_project` is false while there is
        no project yet.

        Raises:
            RingwallError: the command's own, or that it ended with another exit code than the story has.
        """
        shown = shlex.join(arguments)
        options = replace(invocation.current(), json=False, sandbox=False)
        if not in_project:
            options.project = None
        began = time.monotonic()
        try:
            with self.running(f"ringwall {shown}") as out:
                command = get_command(main.app)
                code = command.main(list(arguments), prog_name="ringwall", standalone_mode=False, obj=options) or 0
        except typer.Abort:
            code = INTERRUPTED
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        self.note_command(shown, began, code)
        if code != expected:
            raise RingwallError(f"`ringwall {shown}` ended with exit code {code}")
        return out.getvalue()

    def note_command(self, shown: str, began: float, code: int = 0) -> None:
        """Record a command that ended; `began` is monotonic."""
        took = round(time.monotonic() - began, 1)
        self.steps[-1].commands.append({"command": f"ringwall {shown}", "exit_code": code, "seconds": took})

    def seconds(self) -> dict[str, float]:
        """How long each command took, by its name and what it is about."""
        commands = [command for step in self.steps for command in step.commands]
        return {
            command["command"].removeprefix("ringwall ").split(" --")[0]: command["seconds"] for command in commands
        }


@contextlib.contextmanager
def _working(text: str) -> Iterator[None]:
    """A spinner on a terminal. Elsewhere nothing, as the step has its line already."""
    screen = console.stderr()
    if not screen.is_terminal:
        yield
        return
    screen.file = screen.file  # the screen itself, not what standard error is in the block
    with screen.status(textwrap.shorten(text, WIDTH - 4, placeholder=" …")):
        yield
