"""The protocol by which an operation reports its progress and asks for consent.

Whoever starts the operation hands an object of it in; the terminal's is in `cli`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from engine.run import Run
from model.errors import InputError

#: Takes one line of progress or advice.
Note = Callable[[str], None]


class Progress(Protocol):
    """Where results, notes, questions and the state of engine runs go."""

    def say(self, text: str) -> None:
        """Show a line of the result."""

    def note(self, text: str) -> None:
        """Show a line of progress or advice."""

    def consent(self, question: str, *, yes: bool) -> None:
        """Return when a person agrees, or agreed beforehand (`yes`); raise what ends the command otherwise."""

    def changes(self, previews: Sequence[Run]) -> None:
        """Show what engine previews say that a run would change."""

    def running(self, runs: Sequence[Run]) -> AbstractContextManager[None]:
        """Show how far these runs are until the context ends."""


class SilentProgress:
    """Shows nothing; without `yes` it refuses every question, as nobody can answer it."""

    def say(self, text: str) -> None:
        return

    def note(self, text: str) -> None:
        return

    def consent(self, question: str, *, yes: bool) -> None:
        if not yes:
            raise InputError(f"nobody can be asked here: {question}", remedy="add --yes to agree")

    def changes(self, previews: Sequence[Run]) -> None:
        return

    def running(self, runs: Sequence[Run]) -> AbstractContextManager[None]:
        return nullcontext()
