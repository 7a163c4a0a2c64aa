"""Writes the users' files: all changes of a command or none, and every byte that need not change stays.

Rewriting YAML through a parser moves blank lines, quotes and comments, and a diff full of such churn hides the one line
that matters in review. So edits are made in the text itself, at the position that the parser reports for a value.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from model import effects
from model.errors import InputError, RingwallError
from model.files import put_in_place, read_bytes
from model.loader import KeyPath, dotted, parse

#: Seconds. To write takes milliseconds; a command that was stopped in between must not hold up a lockdown.
_PATIENCE = 30.0


@dataclass(frozen=True)
class FileChange:
    """One file's content as it was read and as it will be written; None means that there is no file."""

    path: Path
    before: bytes | None
    after: bytes | None

    @classmethod
    def new(cls, path: Path, text: str) -> FileChange:
        """The change that makes a file; `apply` refuses it where the file exists."""
        return cls(path, None, text.encode())

    @classmethod
    def removal(cls, path: Path) -> FileChange:
        """The change that removes a file."""
        return cls(path, read_bytes(path), None)


def apply(changes: Sequence[FileChange]) -> None:
    """Make all changes, or leave every file as it was.

    New content is written to a temporary file next to its target and renamed over it; a link stays one, and the file that it
    leads to is replaced. If a file is no longer as it was read, nothing is written.

    Raises:
        InputError: a file appeared or changed meanwhile.
        RingwallError: the file system refused a change; those made before it are undone.
    """
    with _alone(changes):
        _apply(changes)
    for change in changes:
        effects.record(partial(_line, change))


@contextmanager
def _alone(changes: Sequence[FileChange]) -> Iterator[None]:
    """Hold the folders of the files, so that of two commands at once the second compares with what the first wrote."""
    places = {next(folder for folder in change.path.resolve().parents if folder.is_dir()) for change in changes}
    with ExitStack() as held:
        for folder in sorted(places):  # everybody in one order: no two wait for one another
            with suppress(PermissionError):  # one may write into a folder that one may not read
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                held.callback(os.close, descriptor)
                _lock(descriptor)
        yield


def _lock(folder: int) -> None:
    """Lock an open folder; where that cannot be done, the comparison of contents alone protects."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:  # a file system without locks
            return


def _apply(changes: Sequence[FileChange]) -> None:
    staged: dict[Path, Path] = {}
    backups: dict[Path, Path] = {}
    folders: list[Path] = []
    committed: list[FileChange] = []
    try:
        for change in changes:
            _refuse_surprise(change)
        for change in changes:
            if change.after is not None:
                _make_folders(change.path.parent, folders)
                staged[change.path] = _stage(change, change.after)
                if change.before is not None:
                    backups[change.path] = _stage(change, change.before)
        for change in changes:
            _commit(change, staged, backups)
            committed.append(change)
    except (OSError, RingwallError, KeyboardInterrupt) as error:
        unrestored = _undo(committed, folders, staged, backups)
        if not isinstance(error, OSError):
            raise
        outcome = f"and {', '.join(unrestored)} could not be put back" if unrestored else "nothing was changed"
        raise RingwallError(
            f"{error.filename2 or error.filename or change.path}: cannot be written ({error.strerror}); {outcome}"
        ) from None
    finally:
        for temporary in (*staged.values(), *backups.values()):
            temporary.unlink(missing_ok=True)


def _line(change: FileChange) -> str:
    return f"{change.path} was {'removed' if change.after is None else 'written'}"


def _refuse_surprise(change: FileChange) -> None:
    content = read_bytes(change.path) if change.path.is_file() else None
    if content != change.before:
        problem = "is there already" if change.before is None else "changed while this command ran"
        raise InputError(problem, file=change.path, remedy="run the command again; nothing was written")


def _make_folders(folder: Path, new_folders: list[Path]) -> None:
    new_folders += [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)


def _temporary_name(file: Path) -> Path:
    """A name for a temporary file on the file system of `file`, or of what it leads to where it is a link."""
    target = file.resolve()
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _stage(change: FileChange, content: bytes) -> Path:
    temporary = _temporary_name(change.path)
    try:
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if change.before is not None:
            temporary.chmod(change.path.stat().st_mode & 0o7777)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # the user knows the file, not the temporary one
            raise OSError(error.errno, error.strerror, str(change.path)) from None
        raise
    return temporary


def _commit(change: FileChange, staged: dict[Path, Path], backups: dict[Path, Path]) -> None:
    if change.after is None:
        out_of_the_way = change.path.with_name(f".{change.path.name}.{secrets.token_hex(4)}.tmp")
        change.path.rename(out_of_the_way)
        backups[change.path] = out_of_the_way
    elif change.before is None:
        put_in_place(staged[change.path], change.path)
    else:
        staged[change.path].replace(change.path.resolve())


def _undo(
    committed: Sequence[FileChange], folders: Sequence[Path], staged: dict[Path, Path], backups: dict[Path, Path]
) -> list[str]:
    unrestored = []
    for change in reversed(committed):
        try:
            if change.before is None:
                change.path.unlink()
            elif change.after is None:
                backups[change.path].rename(change.path)  # a link is a link again
            else:
                backups[change.path].replace(change.path.resolve())  # nothing is written: the disk may be full
        except OSError:
            copy = backups.pop(change.path, None)  # the only place that its content is in now
            unrestored.append(f"{change.path}{f' (what was in it is in {copy})' if copy else ''}")
    for temporary in (*staged.values(), *backups.values()):
        temporary.unlink(missing_ok=True)
    for folder in folders:
        with suppress(OSError):  # somebody else put a file there: then it stays
            folder.rmdir()
    return unrestored


def replace_scalar(text: str, path: KeyPath, scalar: str) -> str:
    """`text` with the scalar at `path` written as `scalar` (YAML source); every other byte stays.

    Raises:
        InputError: there is no such key, or its value is a mapping or a list.
    """
    node = _node(text, path)
    if type(node).__name__ != "ScalarNode":
        raise InputError("is not a single value", key=dotted(path))
    return text[: node.start_mark.index] + scalar + text[node.end_mark.index :]


def replace_list(text: str, path: KeyPath, items: Sequence[str]) -> str:
    """`text` with the list at `path` holding `items`; the lines of those that stay keep their comments and order.

    Raises:
        InputError: there is no such list, or it is laid out so that it cannot be edited without losing something.
    """
    node = _node(text, path)
    if type(node).__name__ != "SequenceNode":
        raise InputError("is not a list", key=dotted(path))
    parent_is_flow = _node(text, path[:-1]).flow_style
    after = (_flow_list if node.flow_style else _block_list)(text, node, items, parent_is_flow)
    expected = parse(text, Path("text")).value
    holder: Any = expected
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = sorted(items)
    actual = parse(after, Path("text")).value
    holder = actual
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = sorted(holder[path[-1]])
    if actual != expected:
        raise InputError("cannot be edited safely in the way it is laid out", key=dotted(path))
    return after


#: A list in one line is written as one line only as long as a reader can see it whole.
_LINE = 110


def _flow_list(text: str, node: Any, items: Sequence[str], parent_is_flow: bool) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if "#" in text[start:end]:
        raise InputError(
            "holds comments in its brackets, which would be lost", remedy="put each item in a line of its own"
        )
    line_start = text.rfind("\n", 0, start) + 1
    flow = f"[{', '.join(map(_scalar, items))}]"
    if parent_is_flow or start - line_start + len(flow) <= _LINE:
        return text[:start] + flow + text[end:]
    margin = text[line_start:start]
    margin = margin[: len(margin) - len(margin.lstrip())] + "  "
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    line_break = "\r\n" if "\r\n" in text else "\n"
    lines = "".join(f"{line_break}{margin}- {_scalar(item)}" for item in items)
    carriage = "\r" if text[line_end - 1 : line_end] == "\r" and line_end < len(text) else ""
    return text[:start].rstrip(" ") + text[end:line_end].rstrip("\r") + lines + carriage + text[line_end:]


def _block_list(text: str, node: Any, items: Sequence[str], parent_is_flow: bool) -> str:
    margin, line_end = " " * node.start_mark.column, "\r\n" if "\r\n" in text else "\n"
    pieces: list[str] = []
    place, remaining = text.rfind("\n", 0, node.start_mark.index) + 1, set(items)
    head, tail_start = text[:place], place
    for item in node.value:
        start = text.rfind("\n", 0, item.start_mark.index) + 1
        end = text.find("\n", item.end_mark.index)
        end = len(text) if end < 0 else end + 1
        pieces.append(text[tail_start:start])
        if item.value in remaining:
            pieces.append(text[start:end] if text[start:end].endswith("\n") else f"{text[start:end]}{line_end}")
            remaining.discard(item.value)
        tail_start = end
    pieces += [f"{margin}- {_scalar(item)}{line_end}" for item in items if item in remaining]
    return head + "".join(pieces) + text[tail_start:]


def _scalar(item: str) -> str:
    """An item that no reader of YAML takes for something else: colons and braces are quoted."""
    return item if re.fullmatch(r"[A-Za-z0-9./-]+", item) and not item.replace(".", "").isdigit() else json.dumps(item)


def rename_key(text: str, path: KeyPath, name: str) -> str:
    """`text` with the key at `path` renamed; its value, comments and place stay."""
    parent = _node(text, path[:-1])
    for key, _ in parent.value if type(parent).__name__ == "MappingNode" else ():
        if key.value == path[-1]:
            return text[: key.start_mark.index] + name + text[key.end_mark.index :]
    raise InputError("there is no such key", key=dotted(path))


def _node(text: str, path: KeyPath) -> Any:
    from ruamel.yaml import YAML

    parse(text, Path("text"))  # refuses duplicate keys, anchors and what two readers take differently
    node = YAML(typ="rt", pure=True).compose(text)
    for part in path:
        kind = type(node).__name__
        if kind == "MappingNode" and isinstance(part, str):
            node = next((value for key, value in node.value if key.value == part), None)
        elif kind == "SequenceNode" and isinstance(part, int) and 0 <= part < len(node.value):
            node = node.value[part]
        else:
            node = None
        if node is None:
            raise InputError("there is no such key", key=dotted(path))
    return node
