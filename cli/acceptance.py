"""Shows the guard's findings in what a lock would pin, and takes a reviewer's acceptance from flags or at the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from cli import console
from guard.inspect.definitions import definition_findings
from model.definition_findings import DefinitionFinding, withheld_line
from model.tool_lock import ToolLock
from operations.onboard.acceptance import accepting, read_acceptances


def review(lock: ToolLock, accept: Sequence[str], *, yes: bool, command: str) -> ToolLock:
    """The lock with what the reviewer accepts, asked for each rule in each definition.

    `--yes` alone accepts nothing; `command` is named as the way to accept later.

    Raises:
        InputError: `accept` names what is not there.
    """
    lock = accepting(lock, read_acceptances(lock, accept))
    asking = not yes and console.interactive()
    for findings in _unaccepted(lock):
        remaining = []
        for rule in sorted({finding.rule for finding in findings}):
            of_rule = [finding for finding in findings if finding.rule == rule]
            _show(of_rule)
            first = of_rule[0]
            question = f"Accept {rule} in {first.subject}? Else the guard withholds it."
            acceptable = all(finding.acceptable for finding in findings)
            if acceptable and asking and console.ask(question, yes=False):
                lock = accepting(lock, {(first.kind, first.key): {rule}})
            else:
                remaining += of_rule
        if remaining:
            console.note(f"warning: {withheld_line(remaining, command)}")
    _show_notes(lock)
    return lock


def show_findings(lock: ToolLock, command: str) -> None:
    """Every finding that nobody accepted, and what becomes of its definition; then what the text quotes."""
    for findings in _unaccepted(lock):
        _show(findings)
        console.note(f"warning: {withheld_line(findings, command)}")
    _show_notes(lock)


def _unaccepted(lock: ToolLock) -> list[list[DefinitionFinding]]:
    """The findings that nobody accepted, by definition."""
    findings = [finding for finding in definition_findings(lock) if finding.withholds]
    return [list(group) for _, group in groupby(findings, key=lambda finding: (finding.kind, finding.key))]


def _show_notes(lock: ToolLock) -> None:
    """Every advisory finding word by word, and that it withholds nothing."""
    notes = [finding for finding in definition_findings(lock) if finding.advisory]
    for finding in notes:
        console.note(f"note: {finding}")
    if notes:
        console.note(
            "note: a note withholds nothing: read the words before you commit the lock, which has them as noted"
        )


def _show(findings: Sequence[DefinitionFinding]) -> None:
    for finding in findings:
        console.note(f"finding: {finding}")
