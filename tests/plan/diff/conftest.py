"""Two copies of one project, the second edited as a user would."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from plan.diff.compare import Side, compare
from plan.diff.model import DiffReport
from tests.support.projects import write_project

#: Edits a file of the head, given the text that is there and the text that stands there then.
Edit = Callable[[Path], None]
Differ = Callable[..., DiffReport]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_project(tmp_path / "base", every_shape=True)


@pytest.fixture
def differ(tmp_path: Path, base: Path) -> Differ:
    """Compares the project with itself after edits: ``(file, before, after)``, each of which must apply."""

    def run(*edits: tuple[str, str, str], then: Edit | None = None) -> DiffReport:
        head = tmp_path / "head"
        shutil.copytree(base, head)
        for file, before, after in edits:
            path = head / "stacks" / file
            text = path.read_text(encoding="utf-8")
            assert before in text, f"{before!r} is not in {file}"
            path.write_text(text.replace(before, after, 1), encoding="utf-8")
        if then is not None:
            then(head)
        return compare(Side("base", base), Side("head", head))

    return run
