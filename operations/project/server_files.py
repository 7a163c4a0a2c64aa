"""One server's own files, read without the rest of its environment.

`onboard`, `lock` and `offboard` must work while another server's file is wrong, and while this server's lock no longer fits
its grants: the user repairs such files with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.base import validate
from model.errors import InputError
from model.loader import Document, KeyPath, read, read_text
from model.project import Project, config_of, manifest_key
from model.server import Grant, Origin
from model.stacks import MODEL_KEY, SERVER_KEY, environment_of, server_of
from model.tool_lock import ToolEntry, ToolLock, from_text


@dataclass(frozen=True)
class ServerFiles:
    """The parts of one server's files. `lock` is None where its file is missing, and `lock_text` empty."""

    environment: str
    name: str
    document: Document
    origin: Origin
    grants: tuple[Grant, ...]
    lock_file: Path
    lock: ToolLock | None
    lock_text: str

    @property
    def stack(self) -> str:
        return f"{self.environment}.{self.name}"

    def locked(self) -> ToolLock:
        """The tool lock; raises `InputError` where its file is missing."""
        if self.lock is None:
            raise InputError(
                "the tool lock is missing",
                file=self.lock_file,
                remedy=f"run `ringwall onboard {self.name} --env {self.environment}`",
            )
        return self.lock


def split_stack(stack: str) -> tuple[str, str]:
    """``dev.github`` as environment and server; raises `InputError` for anything else."""
    environment, server = environment_of(stack), server_of(stack)
    if not environment or not server:
        raise InputError(f"{stack} is not a server", key="ENV.SERVER", remedy="name it as in dev.github")
    return environment, server


def require_stack(project: Project, stack: str) -> None:
    """Raise `InputError` unless the server has a stack file."""
    split_stack(stack)
    if not project.stack_file(stack).is_file():
        raise project.unknown(stack)


def require_server(project: Project, stack: str) -> None:
    """Raise `InputError` unless the stack has a file, and that of a server: a model route has no tools and no lock."""
    require_stack(project, stack)
    if manifest_key(read(project.stack_file(stack)), stack) == MODEL_KEY:
        raise model_route(project, stack)


def model_route(project: Project, stack: str) -> InputError:
    """The error of a command about MCP servers that was given a model route."""
    environment = environment_of(stack)
    return InputError(
        f"{stack} is a model route, and this is about MCP servers",
        file=project.stack_file(stack),
        remedy=f"name a server of {environment}; for the route see `ringwall model list {environment}`",
    )


def read_server(project: Project, stack: str) -> ServerFiles:
    """The origin, grants and lock of one server.

    Raises:
        InputError: there is no such server, or these parts of its files are wrong.
    """
    environment, name = split_stack(stack)
    require_server(project, stack)
    document = read(project.stack_file(stack))
    manifest = config_of(document).get(SERVER_KEY)
    manifest_path: KeyPath = ("config", SERVER_KEY)
    if not isinstance(manifest, dict):
        raise document.error(manifest_path, "is not a server's manifest", "see `ringwall schema server`")
    origin = validate(Origin, manifest.get("origin"), document, (*manifest_path, "origin"))
    grant_values = manifest.get("grants")
    listed: list[Any] = grant_values if isinstance(grant_values, list) else []
    grants = tuple(
        validate(Grant, item, document, (*manifest_path, "grants", index)) for index, item in enumerate(listed)
    )
    lock_file = project.lock_file(stack)
    is_locked = lock_file.exists()
    lock_text = read_text(lock_file) if is_locked else ""
    lock = from_text(lock_text, lock_file) if is_locked else None
    return ServerFiles(environment, name, document, origin, grants, lock_file, lock, lock_text)


def foreign_tools(project: Project, stack: str) -> list[str]:
    """The names of the tools of the environment's further servers; one whose lock cannot be read has none here."""
    environment, name = split_stack(stack)
    names: set[str] = set()
    for server in project.members_of(environment):
        file = project.lock_file(f"{environment}.{server}")
        if server != name:
            with contextlib.suppress(InputError):
                names.update(tool.name for tool in from_text(read_text(file), file).tools)
    return sorted(names)


def granted(grants: Iterable[Grant], tools: Iterable[ToolEntry]) -> list[str]:
    """Names of the tools that at least one grant opens to somebody."""
    every = list(grants)
    return [tool.name for tool in tools if any(grant.opens(tool.name, tool.risk) for grant in every)]


def servers_of(project: Project, stack: str) -> list[str]:
    """The server or model route named, or every one of the environment named.

    Raises:
        InputError: there is none.
    """
    if "." in stack:
        require_stack(project, stack)
        return [stack]
    names = project.members_of(stack)
    if not names:
        if stack not in project.stacks():
            raise project.unknown(stack)
        raise InputError(f"environment {stack} has no server", key="STACK", remedy="see `ringwall list`")
    return [f"{stack}.{name}" for name in names]
