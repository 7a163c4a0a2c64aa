"""Shows an error: a line for each problem, and with --json the one document."""

from __future__ import annotations

from cli import console, invocation
from cli.exit_codes import INTERRUPTED
from model.errors import RingwallError
from model.text import printable


def show(error: RingwallError) -> None:
    """One line per problem on standard error; with --json also the one error document on standard output."""
    if invocation.current().json:
        console.print_json(
            {
                **invocation.current().beside_error,
                "version": 1,
                "error": {
                    "kind": type(error).__name__,
                    "exit_code": error.exit_code,
                    "problems": [
                        {
                            "message": str(problem),
                            "file": problem.file,
                            "key": problem.key,
                            "remedy": problem.remedy,
                        }
                        for problem in error.each
                    ],
                },
            }
        )
    word = "" if error.exit_code == INTERRUPTED else "error: "
    for problem in error.each:
        console.note(f"{word}{printable(str(problem))}")
