"""Reads files of a project as a Git revision has them, without checking anything out.

What is taken from the base revision, and why, is in `plan.rules.custom`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from model.errors import InputError
from model.git_environment import git_environment


@dataclass(frozen=True)
class BaseRevision:
    """One commit of the repository that holds the project; `revision` is what the user named it.

    Paths are taken as they are written: a link in the working tree must not choose what is read from the commit.
    """

    folder: Path
    #: The folder's own path inside the repository, with a / at its end, or empty.
    prefix: str
    revision: str
    commit: str

    @classmethod
    def resolve(cls, folder: Path, revision: str) -> BaseRevision:
        """Raises `InputError` where the folder is in no repository or the revision names no commit of it."""
        folder = Path(os.path.abspath(folder))
        top = top_level(folder)
        if top is None:
            raise InputError("is in no Git repository, or git is not installed", file=folder, remedy="leave --base out")
        if any(path.is_symlink() and path.parent.resolve().is_relative_to(top) for path in (folder, *folder.parents)):
            raise InputError("is reached by a link inside the repository", file=folder, remedy="name the folder itself")
        answer = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if answer.returncode != 0:
            raise InputError(
                f"there is no commit {revision}", key="--base", remedy="fetch it, or name a branch, tag or commit"
            )
        prefix = _text(_git(folder, "rev-parse", "--show-prefix").stdout).removesuffix("\n")
        return cls(folder, prefix, revision, _text(answer.stdout).strip())

    def read(self, file: Path) -> str | None:
        """The text of a file at that commit, or None where it had none.

        Raises:
            InputError: the file is outside the project, no regular file there, or not UTF-8.
        """
        try:
            inside = self.prefix + Path(os.path.abspath(file)).relative_to(self.folder).as_posix()
        except ValueError:
            raise InputError(
                f"is outside the project {self.folder}", file=file, remedy="name a file in it, or leave --base out"
            ) from None
        listed = _git(self.folder, "ls-tree", "-z", self.commit, "--", f":(top,literal){inside}")
        if listed.returncode != 0:
            raise InputError(f"cannot be read at {self.revision}", file=file, remedy="fetch that revision whole")
        entry = _text(listed.stdout).rstrip("\0")
        if not entry:
            return None
        mode, kind, blob = entry.split("\t", 1)[0].split()
        if kind != "blob" or mode == "120000":
            raise InputError(f"is no regular file at {self.revision}", file=file, remedy="make it one")
        content = _git(self.folder, "cat-file", "blob", blob)
        if content.returncode != 0:
            raise InputError(f"cannot be read at {self.revision}", file=file, remedy="fetch that revision whole")
        return _text(content.stdout)


def top_level(folder: Path) -> Path | None:
    """The top folder of the Git working tree that holds `folder`, or None."""
    answer = _git(folder, "rev-parse", "--show-toplevel")
    return Path(_text(answer.stdout).strip()) if answer.returncode == 0 else None


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, env=git_environment(), check=False)
    except OSError:
        return subprocess.CompletedProcess(["git"], 127, b"", b"")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("what git answered is not UTF-8", remedy="save the file as UTF-8") from None
