"""`ringwall test`: runs the project's access tests, and shows each that does not hold with the reason."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from operations.access.assertions import AssertionResult, run_assertions

_WORDS = {"may": "may", "may_never": "may never"}


def access_tests(*, stacks: list[str], as_json: bool) -> None:
    """What `ringwall test` does; its flags and help are in `cli.flags.access_tests`."""
    project = current_project()
    results = run_assertions(project, stacks)
    failed = [result for result in results if not result.passed]
    if as_json:
        tests = [result.as_json(project.root) for result in results]
        console.print_json({"version": 1, "passed": len(results) - len(failed), "failed": len(failed), "tests": tests})
    for result in failed:
        _show(result)
    files = len({result.assertion.document.file for result in results})
    console.say(f"{_count(len(results), 'assertion')} in {_count(files, 'file')}: {len(failed)} do not hold")
    if failed:
        raise typer.Exit(3)


def _show(result: AssertionResult) -> None:
    assertion = result.assertion
    place = assertion.document.location(assertion.path)
    words = f"{result.visitor} {_WORDS[assertion.expectation]} use {assertion.question} of {assertion.case.server}"
    console.say(f"{place}: {words}")
    if assertion.case.reason:
        console.say(f"    because: {assertion.case.reason}")
    effect = "refuses" if assertion.expectation == "may" else "passes"
    for answer in result.explanation.answers:
        if answer.effect == effect and answer.ring in ("edge", "gateway", "guard"):
            place = f" ({answer.place})" if answer.place else ""
            console.say(f"    {answer.ring} {effect}: {answer.text}{place}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
