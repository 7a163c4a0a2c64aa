"""Checks that a project would be good with files that are not written yet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model.errors import InputError, InputErrors
from model.project import Project, load_environment, open_project
from model.stacks import EnvironmentStack


@contextmanager
def staged(project: Project, files: Mapping[Path, str]) -> Iterator[Project]:
    """The project as if `files` (absolute path to text) were in it already, as a copy that is thrown away.

    Raises:
        InputErrors: in place of every `InputError` inside the block, under the names the files will have.
    """
    with tempfile.TemporaryDirectory(prefix="ringwall-") as folder:
        root = Path(folder)
        stack_files = [*project.stack_dir.glob("*.yaml"), *project.stack_dir.glob("*.yml")]
        texts = {path: path.read_bytes() for path in [project.root / "Pulumi.yaml", *stack_files] if path.is_file()}
        texts.update({path: text.encode() for path, text in files.items()})
        for path, content in texts.items():
            target = root / _relative(project.root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            yield open_project(root)
        except InputError as error:
            problems = error.problems if isinstance(error, InputErrors) else [error]
            raise InputErrors([_renamed(problem, root, project.root) for problem in problems]) from None


def load_staged(project: Project, environment: str, files: Mapping[Path, str]) -> EnvironmentStack:
    """Read one environment as if `files` were in the project already; raises `InputErrors`."""
    with staged(project, files) as copy:
        return load_environment(copy, environment)


def _relative(root: Path, path: Path) -> Path:
    try:
        return path.resolve().relative_to(root.resolve())
    except ValueError:
        raise InputError(
            f"is outside the project folder {root}", file=path, remedy="keep stackConfigDir inside it"
        ) from None


def _renamed(problem: InputError, copy: Path, real: Path) -> InputError:
    def swap(text: str | None) -> str | None:
        return text.replace(str(copy), str(real)) if text is not None else None

    text = problem.problem.replace(str(copy), str(real))
    return InputError(text, file=swap(problem.file), key=problem.key, remedy=swap(problem.remedy))
