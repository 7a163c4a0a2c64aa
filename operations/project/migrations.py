"""Moving stack files and tool locks from the version they were written in to the current one.

A migration is a text edit (see `operations.project.write`), so that a user's comments, blank lines and quotes come
through. There is only one version of the files so far, and hence no migration; this module carries out the next one. The
project's program has no version: where it imports `main` from a former module, that line is rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from model.errors import InputError, InputErrors
from model.loader import KeyPath, parse, read, read_text
from model.project import Project, load_environment, load_zone, manifest_key
from model.stacks import ENVIRONMENT_KEY, MODEL_KEY, SERVER_KEY, ZONE_KEY
from operations.project.staging import staged
from operations.project.templates import FORMER_PROGRAM_IMPORT, PROGRAM_IMPORT
from operations.project.write import FileChange, replace_scalar

#: Takes the text of one version to that of the next; `migrated` writes the version number itself.
Migration = Callable[[str], str]
LOCK = "tool lock"
CURRENT: dict[str, int] = {ENVIRONMENT_KEY: 1, SERVER_KEY: 1, MODEL_KEY: 1, ZONE_KEY: 1, LOCK: 1}
#: By kind, then by the version a migration starts from.
MIGRATIONS: dict[str, dict[int, Migration]] = {kind: {} for kind in CURRENT}


def migrated(
    text: str,
    file: Path,
    kind: str,
    migrations: Mapping[str, Mapping[int, Migration]] | None = None,
    current: Mapping[str, int] | None = None,
) -> str:
    """`text` in the current version of `kind`; the same text when it is current already.

    Raises:
        InputError: the text has no version, a newer one than this Ringwall knows, or one that no migration starts from.
    """
    table = (migrations or MIGRATIONS)[kind]
    target = (current or CURRENT)[kind]
    path: KeyPath = ("version",) if kind == LOCK else ("config", kind, "version")
    version = _version(text, file, path)
    if version > target:
        raise parse(text, file).error(
            path, f"version {version} is newer than this Ringwall knows ({target})", "install a newer Ringwall"
        )
    while version < target:
        if version not in table:
            raise parse(text, file).error(
                path, f"there is no way from version {version}", "see CHANGELOG for what it was"
            )
        text = replace_scalar(table[version](text), path, str(version + 1))
        version += 1
    return text


def _version(text: str, file: Path, path: KeyPath) -> int:
    document = parse(text, file)
    value = document.value
    for part in path:
        value = value.get(str(part)) if isinstance(value, dict) else None
    if value is None:
        raise document.error(
            path, "the manifest has no version", "add version: 1 when it is as `ringwall schema` describes"
        )
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise document.error(path, "must be a whole number from 1", "write it without quotes")
    return value


def plan_migration(project: Project) -> list[FileChange]:
    """The changes that bring every file of the project up to date, checked as a whole.

    Raises:
        InputErrors: a file has no known version, or the result would not be valid.
    """
    changes: list[FileChange] = []
    problems: list[InputError] = []
    for file, kind in _files(project):
        try:
            text = read_text(file)
            after = migrated(text, file, kind)
        except InputError as error:
            problems.append(error)
        else:
            if after != text:
                changes.append(FileChange(file, text.encode(), after.encode()))
    if problems:
        raise InputErrors(problems)
    if changes:
        texts = {change.path: (change.after or b"").decode() for change in changes}
        with staged(project, texts) as copy:
            for name in copy.environments():
                load_environment(copy, name)
            for name in copy.zones():
                load_zone(copy, name)
    return [*changes, *_program(project)]


def _program(project: Project) -> list[FileChange]:
    document = read(project.root / "Pulumi.yaml")
    main = document.value.get("main", ".") if isinstance(document.value, dict) else "."
    file = project.root / str(main) / "__main__.py"
    before = file.read_bytes() if file.is_file() else b""
    after = before.replace(FORMER_PROGRAM_IMPORT.encode(), PROGRAM_IMPORT.encode())
    return [FileChange(file, before, after)] if after != before else []


def _files(project: Project) -> list[tuple[Path, str]]:
    files = []
    for stack in project.stacks():
        kind = manifest_key(read(project.stack_file(stack)), stack)
        files.append((project.stack_file(stack), kind))
        if kind == SERVER_KEY and project.lock_file(stack).is_file():
            files.append((project.lock_file(stack), LOCK))
    return files
