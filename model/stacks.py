"""The three kinds of stack as they are in memory: an environment, one server of it, and a zone.

Each is one stack file, read and checked. `model.project` reads them; nothing here opens a file. The functions
that read a stack's name are here, too: `environment_of`, `server_of`, `config_key_of`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from model.environment import Environment
from model.loader import Document
from model.server import Server
from model.tool_lock import ToolLock
from model.zone import Zone

ENVIRONMENT_KEY = "ringwall:environment"
SERVER_KEY = "ringwall:server"
ZONE_KEY = "ringwall:zone"
KINDS = {ENVIRONMENT_KEY: "environment", SERVER_KEY: "server", ZONE_KEY: "zone"}
ZONE_PREFIX = "zone."


@dataclass(frozen=True)
class EnvironmentStack:
    """One environment's stack file with all its servers."""

    name: str
    document: Document
    settings: Environment
    servers: dict[str, ServerStack] = field(default_factory=dict)

    config_key: ClassVar[str] = ENVIRONMENT_KEY

    @property
    def stack(self) -> str:
        return self.name

    @property
    def environment(self) -> EnvironmentStack:
        return self

    @property
    def reach(self) -> tuple[ServerStack, ...]:
        return tuple(server for _, server in sorted(self.servers.items()))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the settings. Servers compare it with the deployed one: a deployed environment unlike the file
        would hand them another account, zone or issuer than the one under review."""
        text = json.dumps(self.settings.dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @property
    def manifests(self) -> dict[str, Server]:
        return {name: server.manifest for name, server in sorted(self.servers.items())}


@dataclass(frozen=True)
class ServerStack:
    """One server's stack file and tool lock; `manifest` has the environment's defaults merged in."""

    #: The environment lists its servers, too: left out of texts and of comparing.
    environment: EnvironmentStack = field(repr=False, compare=False)
    name: str
    document: Document
    manifest: Server
    lock_file: Path
    lock: ToolLock

    config_key: ClassVar[str] = SERVER_KEY

    @property
    def stack(self) -> str:
        return f"{self.environment.name}.{self.name}"

    @property
    def settings(self) -> Environment:
        """The settings of its environment."""
        return self.environment.settings

    @property
    def reach(self) -> tuple[ServerStack, ...]:
        return (self,)


@dataclass(frozen=True)
class ZoneStack:
    """One zone's stack file."""

    name: str
    document: Document
    manifest: Zone

    config_key: ClassVar[str] = ZONE_KEY

    @property
    def stack(self) -> str:
        return ZONE_PREFIX + self.name

    @property
    def environment(self) -> None:
        return None

    @property
    def reach(self) -> tuple[ServerStack, ...]:
        return ()


#: What every kind has: `name`, `stack` (Pulumi's name of it), `document`, `config_key` (where its manifest stands), the
#: `environment` it is or belongs to, and `reach`, the servers it stands for.
Stack = EnvironmentStack | ServerStack | ZoneStack


def environment_of(stack: str) -> str:
    """The environment that a stack is or belongs to: ``dev`` of ``dev`` and of ``dev.github``. A zone's stack stands
    alone: ``zone.example`` stays as it is."""
    return stack if stack.startswith(ZONE_PREFIX) else stack.partition(".")[0]


def server_of(stack: str) -> str:
    """The server of a server's stack: ``github`` of ``dev.github``; empty for an environment and a zone."""
    return "" if stack.startswith(ZONE_PREFIX) else stack.partition(".")[2]


def config_key_of(stack: str) -> str:
    """Where the manifest of a stack stands in its file, going by its name."""
    return ZONE_KEY if stack.startswith(ZONE_PREFIX) else SERVER_KEY if server_of(stack) else ENVIRONMENT_KEY
