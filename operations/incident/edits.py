"""The stack files' part of a lockdown: which files change, and the steps that are shown before it begins.

Nothing is written here. How the key is put into a file's text, or taken out, stands in `stack_file`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.api_calls import Calls
from model.base import validate
from model.errors import InputError
from model.loader import Document, read
from model.lockdown import Lockdown
from model.project import Project, config_of, manifest_key
from model.stacks import EnvironmentStack, server_of
from model.text import counted
from operations.incident.stack_file import lifted, locked
from operations.journal import timestamp
from operations.project.write import FileChange


def edits_of(
    project: Project, stacks: Sequence[str], reason: str | None, *, lift: bool
) -> tuple[list[FileChange], dict[str, str]]:
    """The changes of the stack files, and by stack the reason why a file cannot be edited; such a server is closed all the
    same. A server that is closed already keeps its reason and time.

    Raises:
        InputError: the reason is empty or too long; with `lift`, no file is closed, or one cannot be edited.
    """
    since = timestamp()
    if not lift:
        members: dict[str, Any] = {"reason": (reason or "").strip(), "since": since}
        validate(Lockdown, members, Document(Path("--reason"), members, {(): 1}), ())
    changes: list[FileChange] = []
    unwritable: dict[str, str] = {}
    for stack in stacks:
        try:
            changes += _edit(project.stack_file(stack), stack, (reason or "").strip(), since, lift=lift)
        except InputError as error:
            if lift:
                raise
            unwritable[stack] = " ".join(str(error).split())
    if lift and not changes:
        raise InputError(
            f"no stack file closes {' or '.join(stacks)}",
            key="--lift",
            remedy=f"where a ring stayed closed, run `ringwall up {stacks[0]}` and sign its guard bundle",
        )
    return changes, unwritable


def _edit(file: Path, stack: str, reason: str, since: str, *, lift: bool) -> list[FileChange]:
    """The change of one file; none where the file is closed, or open, already. Raises InputError."""
    document = read(file)
    manifest = config_of(document).get(manifest_key(document, stack))
    is_locked = isinstance(manifest, dict) and manifest.get("lockdown") is not None
    if is_locked is not lift:
        return []
    text = document.text
    try:
        after = lifted(text) if lift else locked(text, reason, since)
    except InputError as error:
        raise InputError(error.problem, file=file, key=error.key, remedy=error.remedy) from None
    return [FileChange(file, text.encode(), after.encode())]


def planned_steps(environment: EnvironmentStack, stacks: Sequence[str], *, lift: bool) -> list[dict[str, Any]]:
    """What will be done in each ring of each server, in the order in which it is done."""
    planned: list[dict[str, Any]] = []
    for stack in stacks:
        manifest = environment.member(server_of(stack)).manifest
        names = list(manifest.hostnames)
        rings = {
            "edge": f"deny everyone, and nothing else, on {' and '.join(names)}; end all sessions there",
            "gateway": "503 for every request, before every other plugin",
            "guard": f"a bundle without grants, in place of {counted(len(manifest.grants), 'grant')}",
        }
        if lift:
            rings = {
                "guard": f"a bundle with the {counted(len(manifest.grants), 'grant')} of the stack file",
                "gateway": "no 503 any more",
                "edge": f"the policies of the stack file on {' and '.join(names)}",
            }
        if manifest.guard is None:
            del rings["guard"]
        planned.append({"stack": stack, "steps": [{"ring": ring, "text": text} for ring, text in rings.items()]})
    return planned


def calls_to_close(environment: EnvironmentStack, stacks: Sequence[str]) -> Calls:
    """The calls that close servers: one for each list, and for the policy that is made (`wire.cloudflare`, `wire.kong`).

    A list of several pages takes one for each.
    """
    names = sum(len(environment.member(server_of(stack)).manifest.hostnames) for stack in stacks)
    # Applications, policies and the new one; each name's policies and sessions. Routes, node and data planes; each plugin.
    return Calls(cloudflare=3 + 2 * names, kong=3 + len(stacks))
