"""Asking a person for a value that no flag gave."""

from __future__ import annotations

from collections.abc import Callable

from cli import console
from model.errors import InputError


def read_answer(question: str, default: str | None = None, wrong: Callable[[str], str | None] = lambda _: None) -> str:
    """Ask on the terminal until the answer is good; `wrong` says what is wrong with one, None for nothing.

    Raises:
        InputError: the terminal ended (Ctrl-D) before an answer.
    """
    while True:
        line = console.answer(f"{question}{f' [{default}]' if default else ''}: ")
        if not line:
            raise InputError(f"no answer to “{question}”", remedy="nothing was written")
        answer = line.strip() or default or ""
        problem = "an answer is needed" if not answer else wrong(answer)
        if problem is None:
            return answer
        console.note(f"  {problem}")
