"""`ringwall diff --program`: each revision planned by the program that stands in it, where a repository carries its own.

This runs the code of both revisions, so it is for code that the user trusts; without the option none of it is run. The
plans are made in processes of their own, without the secrets in this process's environment.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import InputError, RingwallError
from model.git_environment import git_environment

if TYPE_CHECKING:
    from operations.pull_request.revisions import Repository
    from plan.diff.planning import Job
    from plan.graph import Graph

#: A folder that holds these two files is the program.
_MARKS = ("cli/main.py", "components/program.py")
#: A plan takes seconds; a program that hangs is ended.
TIMEOUT = 300
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class RevisionPrograms:
    """The folder of each side's program."""

    folders: Mapping[str, Path]

    @classmethod
    def checked_out(cls, git: Repository, commits: Mapping[str, str | None], scratch: Path) -> RevisionPrograms:
        """The programs of both sides. A commit's tree is written below `scratch`; None stands for the working tree.

        Raises:
            InputError: a side has no program of its own.
        """
        folders = {}
        for side, commit in commits.items():
            tree = git.top if commit is None else _extracted(git.top, commit, scratch / f"{side}-program")
            folders[side] = _program(tree, git.prefix, side)
        return cls(folders)

    def plan(self, jobs: Sequence[Job]) -> dict[tuple[str, str], Graph | RingwallError]:
        """Graphs by side and stack, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            return dict(pool.map(self._plan_job, jobs))

    def _plan_job(self, job: Job) -> tuple[tuple[str, str], Graph | RingwallError]:
        from plan.render import from_json

        folder = self.folders[job.side]
        command = [sys.executable, "-m", "cli.main", "plan", job.stack, "--json", "--project", str(job.project.root)]
        environment = {key: os.environ[key] for key in _INHERITED if key in os.environ} | {
            "PYTHONDONTWRITEBYTECODE": "1"
        }
        try:
            process = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return (job.side, job.stack), RingwallError(f"its own program made no plan within {TIMEOUT} s")
        if process.returncode != 0:
            last_line = next(
                (line for line in reversed(process.stderr.splitlines()) if line.strip()), "no reason given"
            )
            return (job.side, job.stack), RingwallError(
                f"its own program made no plan: {last_line.removeprefix('error: ')}"
            )
        try:
            return (job.side, job.stack), from_json(process.stdout)
        except RingwallError as error:
            return (job.side, job.stack), error


def _extracted(top: Path, commit: str, target: Path) -> Path:
    process = subprocess.run(
        ["git", "-C", str(top), "archive", "--format=tar", commit],
        capture_output=True,
        env=git_environment(),
        check=False,
    )
    if process.returncode != 0:
        raise InputError(f"{commit[:12]} cannot be written out: {process.stderr.decode(errors='replace').strip()}")
    target.mkdir()
    with tarfile.open(fileobj=io.BytesIO(process.stdout)) as archive:
        # Nothing outside the folder, no devices, no links that lead out of it (PEP 706).
        archive.extractall(target, filter="data")
    return target


def _program(tree: Path, prefix: str, side: str) -> Path:
    """The nearest folder from the project up to the top of the repository that holds the program."""
    folder = tree / prefix
    for candidate in (folder, *folder.parents):
        if all((candidate / mark).is_file() for mark in _MARKS):
            return candidate
        if candidate == tree:
            break
    raise InputError(
        f"the {side} carries no program of its own: its stacks are planned by the installed Ringwall anyway",
        key="--program",
        remedy="leave the option out",
    )
