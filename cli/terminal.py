"""The terminal as the operations below see it: results, notes, consent and running engines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from cli import console, invocation, live, report
from engine.run import Run


class Terminal:
    """`engine.progress.Progress` on standard output and standard error, for every thread of the command that makes it."""

    def __init__(self) -> None:
        self._options = invocation.current()

    def say(self, text: str) -> None:
        console.say(text, options=self._options)

    def note(self, text: str) -> None:
        console.note(text, options=self._options)

    def consent(self, question: str, *, yes: bool) -> None:
        """Raises `typer.Exit` where the person at the terminal does not want it."""
        console.consent(question, yes=yes)

    def changes(self, previews: Sequence[Run]) -> None:
        report.show_preview(previews)

    def running(self, runs: Sequence[Run]) -> AbstractContextManager[None]:
        return live.progress(runs, self.note)
