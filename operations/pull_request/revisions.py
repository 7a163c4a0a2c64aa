"""Copies the stack files of a Git revision, or of the working tree, into a folder, as data: none of their code is run.

Git itself is asked only for objects (`rev-parse`, `ls-tree`, `cat-file`, `diff-tree`), which run no filter, hook or text
conversion. Symbolic links, submodules and huge files are refused: their content is not what the reviewer sees. Planning a
revision with its own program is in `programs`.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from model.errors import InputError
from model.git_environment import git_environment
from model.loader import MAX_BYTES

MAX_FILES = 20_000
_STACK_FILE = re.compile(r"Pulumi\.[A-Za-z0-9._-]{1,100}\.ya?ml")
_LOCK_FILE = re.compile(r"[A-Za-z0-9._-]{1,100}\.lock\.ya?ml")
_REGULAR = ("100644", "100755")
_KINDS = {"120000": "a symbolic link", "160000": "a submodule", "40000": "a folder", "040000": "a folder"}
#: Git must not prompt, fetch missing objects or take locks, and its messages must be in English.
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
#: `diff-tree` asks the file system monitor, which is a command of the repository's configuration (run: it was started).
_NOTHING_RUNS = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")


@dataclass(frozen=True)
class Repository:
    """A Git repository. `prefix` is the project's folder in it as a POSIX path, empty for the top folder."""

    top: Path
    prefix: str

    def commit(self, revision: str) -> str:
        """The id of the commit that a revision names; raises `InputError`."""
        if not revision or revision.startswith("-") or "\x00" in revision:
            raise InputError(f"{revision!r} is no revision", remedy="name a commit, branch or tag")
        process = _git(self.top, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"])
        if process.returncode != 0:
            raise InputError(
                f"there is no revision {revision} in {self.top}",
                remedy="fetch it (in CI: a checkout with fetch-depth: 0), or correct the name",
            )
        return process.stdout.decode().strip()

    def merge_base(self, base: str, head: str) -> str:
        """The last commit that two branches have in common; raises `InputError` when there is none."""
        process = _git(self.top, ["merge-base", base, head])
        if process.returncode != 0:
            raise InputError(
                f"{base[:12]} and {head[:12]} have no commit in common",
                remedy="fetch the history (in CI: fetch-depth: 0), or leave --merge-base out",
            )
        return process.stdout.decode().split()[0]

    def export(self, commit: str, label: str, target: Path) -> set[str]:
        """Write a commit's Pulumi.yaml, stack files and tool locks below `target`; returns their paths in the project.

        Raises:
            InputError: one of the files must not be read.
        """
        entries = self._tree(commit, label)
        entries = {_inside(path, self.prefix): entry for path, entry in entries.items() if _below(path, self.prefix)}
        if "Pulumi.yaml" not in entries:
            raise InputError(
                f"{label} has no Pulumi.yaml in {self.prefix or 'its top folder'}",
                remedy="name a revision that has the project, or the folder with --project",
            )
        self._write(commit, label, {"Pulumi.yaml": entries["Pulumi.yaml"]}, target)
        folder = stack_folder(target, label)
        for parent in (folder, *PurePosixPath(folder).parents):
            mode = entries.get(str(parent), ("040000", "", 0))[0]
            if str(parent) != "." and mode not in ("40000", "040000"):
                raise InputError(f"{label}: {parent} is {_KINDS.get(mode, 'no folder')}", remedy="make it a folder")
        data_files = {path: entry for path, entry in entries.items() if _is_data(path, folder)}
        self._write(commit, label, data_files, target)
        return {"Pulumi.yaml", *data_files}

    def unplanned(self, base: str, head: str, planned: Collection[str]) -> tuple[str, ...]:
        """Files that changed between two commits and have no part in the project's `planned` files: program code, workflows,
        rules, another project's stack files."""
        process = _git(self.top, ["diff-tree", "-r", "-z", "--name-only", "--no-renames", base, head])
        _ok(process, "the changed files")
        paths = [path for path in process.stdout.decode("utf-8", "replace").split("\0") if path]
        return tuple(p for p in paths if not _below(p, self.prefix) or _inside(p, self.prefix) not in planned)

    def _tree(self, commit: str, label: str) -> dict[str, tuple[str, str, int]]:
        """Mode, object id and size of every entry of a commit by its path; folders are entries too."""
        arguments = ["ls-tree", "-r", "-t", "-z", "-l", "--full-tree", commit]
        process = _git(self.top, arguments + (["--", self.prefix] if self.prefix else []))
        _ok(process, f"the files of {label}")
        entries = {}
        for line in process.stdout.split(b"\0"):
            if line:
                meta, _, path = line.partition(b"\t")
                mode, _, name, size = meta.split()
                entries[path.decode("utf-8", "surrogateescape")] = (
                    mode.decode(),
                    name.decode(),
                    int(size) if size.isdigit() else 0,
                )
        return entries

    def _write(self, commit: str, label: str, entries: dict[str, tuple[str, str, int]], target: Path) -> None:
        if len(entries) > MAX_FILES:
            raise InputError(f"{label} has over {MAX_FILES} stack files", remedy="split the project")
        for path, (mode, _, size) in entries.items():
            _refuse_odd_name(path.rsplit("/", 1)[-1], label)
            if mode not in _REGULAR:
                kind = _KINDS.get(mode, "no regular file")
                raise InputError(f"{label}: {path} is {kind}", remedy="commit the file itself")
            if size > MAX_BYTES:
                raise InputError(f"{label}: {path} is larger than {MAX_BYTES // 1024} KiB", remedy="make it smaller")
        names = [name for _, name, _ in entries.values()]
        contents = self._objects(names, label)
        for path, content in zip(entries, contents, strict=True):
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _objects(self, names: Sequence[str], label: str) -> list[bytes]:
        if not names:
            return []
        process = _git(self.top, ["cat-file", "--batch"], "".join(f"{name}\n" for name in names).encode())
        _ok(process, f"the files of {label}")
        contents, offset, data = [], 0, process.stdout
        for name in names:
            end = data.index(b"\n", offset)
            words = data[offset:end].split()
            if len(words) != 3 or words[1] != b"blob":
                raise InputError(f"{label}: object {name[:12]} is missing", remedy="fetch the whole revision")
            size = int(words[2])
            contents.append(data[end + 1 : end + 1 + size])
            offset = end + 2 + size
        return contents


def repository(root: Path) -> Repository:
    """The Git repository that holds a project folder; raises `InputError` when there is none, or no git."""
    process = _git(root, ["rev-parse", "--show-toplevel", "--show-prefix"])
    if b"dubious ownership" in process.stderr:
        raise InputError(
            f"git does not trust {root}: another user owns it",
            remedy="run `git config --global --add safe.directory` with the repository's top folder, if you trust it",
        )
    if process.returncode != 0:
        raise InputError(f"{root} is in no Git repository", remedy="run `git init` and commit, or use --project")
    top, _, prefix = process.stdout.decode().partition("\n")
    return Repository(Path(top), prefix.strip("\n").rstrip("/"))


def export_working_tree(root: Path, target: Path) -> set[str]:
    """Copy the same files from the working tree, uncommitted ones too; returns their paths in the project."""
    label = "the working tree"
    _copy(root, "Pulumi.yaml", target, label)
    folder = stack_folder(target, label)
    stack_dir = root / folder
    for parent in (stack_dir, *stack_dir.parents):
        if parent == root:
            break
        if parent.is_symlink():
            raise InputError(f"{label}: {parent.relative_to(root)} is a symbolic link", remedy="make it a folder")
    names = sorted(filter(_looks_like_data, os.listdir(stack_dir))) if stack_dir.is_dir() else []
    paths = [str(PurePosixPath(folder) / name) for name in names]
    for path in paths:
        _copy(root, path, target, label)
    return {"Pulumi.yaml", *paths}


def _copy(root: Path, path: str, target: Path, label: str) -> None:
    source = root / path
    _refuse_odd_name(source.name, label)
    try:
        status = source.lstat()
    except FileNotFoundError:
        raise InputError(f"{label} has no {path}", remedy="run it inside the project") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no regular file"
        raise InputError(f"{label}: {path} is {kind}", remedy="put the file itself there")
    if status.st_size > MAX_BYTES:
        raise InputError(f"{label}: {path} is larger than {MAX_BYTES // 1024} KiB", remedy="make it smaller")
    file = target / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(source.read_bytes())


def stack_folder(root: Path, label: str) -> str:
    """`stackConfigDir` of an exported Pulumi.yaml, inside the project; raises `InputError` when it leads out of it."""
    from model.project import open_project

    try:
        project = open_project(root)
    except InputError as error:
        raise InputError(f"{label}: {error.summary.replace(f'{root}/', '')}", remedy=error.remedy) from None
    folder = (
        PurePosixPath(os.path.normpath(project.stack_dir.relative_to(root)))
        if _within(project.stack_dir, root)
        else None
    )
    if folder is None or folder.is_absolute() or ".." in folder.parts:
        raise InputError(f"{label}: stackConfigDir leads out of the project", remedy="name a folder inside it")
    return str(folder)


def _within(path: Path, root: Path) -> bool:
    return path.is_relative_to(root)


def _is_data(path: str, folder: str) -> bool:
    parent, _, name = path.rpartition("/")
    return (parent or ".") == folder and _looks_like_data(name)


def _looks_like_data(name: str) -> bool:
    """Whether `model.project` may take a file for a stack file or a lock. Odd names count, so that they are refused later
    and not skipped in silence."""
    stack_file = name.startswith("Pulumi.") and name.endswith((".yaml", ".yml"))
    return stack_file or name.endswith((".lock.yaml", ".lock.yml"))


def _refuse_odd_name(name: str, label: str) -> None:
    if name != "Pulumi.yaml" and not (_STACK_FILE.fullmatch(name) or _LOCK_FILE.fullmatch(name)):
        raise InputError(
            f"{label}: {name!a} is an odd name for a stack file", remedy="use letters, digits, '.', '_' and '-'"
        )


def _below(path: str, prefix: str) -> bool:
    return not prefix or path.startswith(f"{prefix}/")


def _inside(path: str, prefix: str) -> str:
    return path[len(prefix) + 1 :] if prefix else path


def _git(folder: Path, arguments: list[str], stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *_NOTHING_RUNS, "-C", str(folder), *arguments],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            env={**git_environment(), **_QUIET},
            timeout=120,
        )
    except FileNotFoundError:
        raise InputError("there is no git on PATH", remedy="install git") from None
    except subprocess.TimeoutExpired:
        raise InputError("git did not answer within 120 s", remedy="try again; look at the repository's disk") from None


def _ok(process: subprocess.CompletedProcess[bytes], subject: str) -> None:
    if process.returncode != 0:
        stderr = " ".join(process.stderr.decode("utf-8", "replace").split())
        raise InputError(f"git cannot read {subject}: {stderr}", remedy="fetch the whole revision")
