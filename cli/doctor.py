"""`ringwall doctor`: what is missing or wrong around a deployment, each thing with its remedy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer

from cli import console, invocation
from cli.paragraphs import folded
from cli.project import current_project
from model.errors import InputError
from model.stacks import ZONE_PREFIX
from model.text import counted
from operations.doctor.checks import GROUPS, Check, run_all, skipped
from operations.doctor.tasks import engine_task, work_for

FOUND_ERRORS = 3


def doctor(
    *,
    stack: str | None,
    host: str | None,
    offline: bool,
    sandbox: bool,
    deadline: float,
    as_json: bool,
) -> None:
    """What `ringwall doctor` does; its flags and help are in `cli.flags.doctor`."""
    tasks = [engine_task(sandbox=sandbox)]
    checks: list[Check] = []
    stacks, missing = _stacks(stack)
    if stacks:
        with console.working(f"planning {', '.join(stacks)}"):
            work = work_for(current_project(), stacks, host=host, secrets=not sandbox)
        checks += work.checks
        tasks += work.tasks
    checks += missing
    with console.working(f"{counted(len(tasks), 'thing')} to look at"):
        reason = "--offline" if offline else "a rehearsal has a stand-in for it" if sandbox else None
        checks += run_all(tasks, offline=reason, deadline=deadline)
    # One Cloudflare answer and one issuer may share a host: its clock is named once.
    checks = sorted(dict.fromkeys(checks), key=lambda check: (GROUPS.index(check.group), check.subject))
    counts: Counter[str] = Counter(check.status for check in checks)
    if as_json:
        console.print_json(_document(checks, counts))
    _show(checks, counts)
    if counts["error"]:
        raise typer.Exit(FOUND_ERRORS)


def _stacks(stack: str | None) -> tuple[list[str], list[Check]]:
    """The stacks to look at; without a project, why there are none."""
    try:
        project = current_project()
    except InputError:
        if stack is not None or invocation.current().project is not None:
            raise
        return [], [
            skipped("project.files", "there is no project here", "", "run `ringwall init dev`, or give --project")
        ]
    if stack is None:
        stacks = [*project.environments(), *(name for name in project.stacks() if name.startswith(ZONE_PREFIX))]
        if not stacks:
            return [], [skipped("project.files", "the project has no stacks", "", "run `ringwall init dev`")]
        return stacks, []
    if stack not in project.stacks():
        raise project.unknown(stack)
    return [stack], []


_MARKS = {"ok": "ok", "warning": "WARNING", "error": "ERROR", "skipped": "skipped"}


def _show(checks: list[Check], counts: Counter[str]) -> None:
    group = ""
    for check in checks:
        if check.group != group:
            console.say(("\n" if group else "") + check.group)
            group = check.group
        about = f" [{check.subject}]" if check.subject else ""
        mark = console.coloured(_MARKS[check.status]) + " " * (8 - len(_MARKS[check.status]))
        text = folded(f"{check.id.partition('.')[2]}{about}: {check.message}", " " * 11)
        console.say(f"  {mark} {text.lstrip()}")
        if check.remedy and check.status != "ok":
            console.say(folded(f"remedy: {check.remedy}", " " * 11))
    words = {"warning": "warnings", "error": "errors"}
    parts = [counted(counts[word], word, words.get(word, word)) for word in _MARKS if counts[word]]
    console.say(f"\n{', '.join(parts)}")


def _document(checks: list[Check], counts: Counter[str]) -> dict[str, Any]:
    return {
        "version": 1,
        "counts": {word: counts[word] for word in ("ok", "warning", "error", "skipped")},
        "checks": [
            {
                "id": check.id,
                "group": check.group,
                "subject": check.subject,
                "status": check.status,
                "message": check.message,
                "remedy": check.remedy,
            }
            for check in checks
        ],
    }
