"""A throw-away copy of a project with files that are not written yet, to check that the project would be valid with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model.errors import InputError, InputErrors
from model.files import read_bytes
from model.project import Project, load_environment, open_project
from model.scratch import scratch_folder
from model.stacks import EnvironmentStack


@dataclass(frozen=True)
class PartialProject(Project):
    """A project without some of its servers; `hidden` are their stacks."""

    hidden: frozenset[str] = frozenset()

    def members_of(self, environment: str) -> list[str]:
        return [name for name in super().members_of(environment) if f"{environment}.{name}" not in self.hidden]


@contextmanager
def staged(project: Project, files: Mapping[Path, str]) -> Iterator[Project]:
    """A copy of the project in which `files` (absolute path to text) are already written; it is removed afterwards.

    Raises:
        InputErrors: in place of every `InputError` inside the block, with the paths that the files will have.
    """
    with scratch_folder() as root:
        stack_files = [*project.stack_dir.glob("Pulumi.*.y*ml"), *project.stack_dir.glob("*.lock.yaml")]
        texts = {path: read_bytes(path) for path in [project.root / "Pulumi.yaml", *stack_files] if path.is_file()}
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


def load_staged(
    project: Project,
    environment: str,
    files: Mapping[Path, str],
    *,
    server: str | None = None,
    newcomer: str | None = None,
) -> EnvironmentStack:
    """Read one environment as if `files` were in the project already; raises `InputErrors`.

    With `server` its other servers are left out, so that what is wrong with them refuses nothing. `newcomer` is a server
    that the files add.
    """
    with staged(project, files) as copy:
        if server is not None:
            hidden = frozenset(f"{environment}.{name}" for name in copy.members_of(environment) if name != server)
            copy = PartialProject(copy.root, copy.name, copy.stack_dir, hidden)
        return load_environment(copy, environment, newcomer)


def _relative(root: Path, path: Path) -> Path:
    """Where a file is by its name: one that is a link, or is in a folder that is one, is not where it leads to."""
    try:
        return Path(os.path.normpath(path.absolute())).relative_to(os.path.normpath(root.absolute()))
    except ValueError:
        raise InputError(
            f"is outside the project folder {root}", file=path, remedy="keep stackConfigDir inside it"
        ) from None


def _renamed(problem: InputError, copy: Path, real: Path) -> InputError:
    def swap(text: str | None) -> str | None:
        return text.replace(str(copy), str(real)) if text is not None else None

    text = problem.problem.replace(str(copy), str(real))
    return InputError(text, file=swap(problem.file), key=problem.key, remedy=swap(problem.remedy))
