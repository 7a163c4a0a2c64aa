"""One mistake in one file of a good project, and the one line that must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from model.errors import InputError, InputErrors
from model.project import load_environment, open_project

ENVIRONMENT = "stacks/Pulumi.dev.yaml"
ONE = "stacks/Pulumi.dev.one.yaml"
HOSTED = "stacks/Pulumi.dev.hosted.yaml"
EXTERNAL = "stacks/Pulumi.dev.external.yaml"


@dataclass(frozen=True)
class Mistake:
    """`old` (once in the file) becomes `new`; the line reported is that of `at`, the first with this text."""

    file: str
    old: str
    new: str
    at: str
    key: str
    problem: str
    remedy: str


def make(root: Path, mistake: Mistake) -> str:
    """Make the mistake; returns the line that must be reported."""
    path = root / mistake.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mistake.old) == 1, f"{mistake.old!r} is there {text.count(mistake.old)} times"
    text = text.replace(mistake.old, mistake.new)
    path.write_text(text, encoding="utf-8")
    number = next(n for n, line in enumerate(text.splitlines(), 1) if mistake.at in line)
    return f"{path}:{number}: {mistake.key}: {mistake.problem}; {mistake.remedy}"


def problems(root: Path) -> list[InputError]:
    """What loading environment `dev` reports."""
    with pytest.raises(InputError) as caught:
        load_environment(open_project(root), "dev")
    return caught.value.problems if isinstance(caught.value, InputErrors) else [caught.value]


def lines(root: Path) -> list[str]:
    found = [str(problem) for problem in problems(root)]
    assert not any("\n" in line for line in found)
    return found
