"""The kinds of stack as they are in memory: an environment, one server or model route of it, and a zone.

Each is one stack file, read and checked. `model.project` reads them; nothing here opens a file. What a stack's name says
is in `model.stack_names`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from model.environment import Environment
from model.loader import Document, KeyPath
from model.model_route import GuardLeg, ModelRoute
from model.server import Server
from model.stack_names import ENVIRONMENT_KEY as ENVIRONMENT_KEY
from model.stack_names import KINDS as KINDS
from model.stack_names import MODEL_KEY as MODEL_KEY
from model.stack_names import SERVER_KEY as SERVER_KEY
from model.stack_names import ZONE_KEY as ZONE_KEY
from model.stack_names import ZONE_PREFIX as ZONE_PREFIX
from model.stack_names import config_key_of as config_key_of
from model.stack_names import environment_of as environment_of
from model.stack_names import server_of as server_of
from model.tool_lock import ToolLock
from model.zone import Zone


@dataclass(frozen=True)
class EnvironmentStack:
    """One environment's stack file with all its servers and model routes."""

    name: str
    document: Document
    settings: Environment
    servers: dict[str, ServerStack] = field(default_factory=dict)
    models: dict[str, ModelStack] = field(default_factory=dict)

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

    @property
    def perimeters(self) -> tuple[PerimeterStack, ...]:
        return tuple(sorted([*self.servers.values(), *self.models.values()], key=lambda stack: stack.name))

    def member(self, name: str) -> PerimeterStack:
        """The server or model route of this name; raises KeyError."""
        return self.servers[name] if name in self.servers else self.models[name]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the settings. Servers compare it with the deployed one: a deployed environment unlike the file
        would hand them another account, zone or issuer than the one under review."""
        text = json.dumps(self.settings.dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def written_digest(self) -> str:
        """SHA-256 of the deployed settings as they stand in the file, without this Ringwall's defaults."""
        value: Any = self.document.value
        written, deployed = value.get("config", {}).get(ENVIRONMENT_KEY, {}), self.settings.dump()
        settings = {name: member for name, member in written.items() if name in deployed}
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @property
    def manifests(self) -> dict[str, PerimeterManifest]:
        return {stack.name: stack.manifest for stack in self.perimeters}


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

    @property
    def perimeters(self) -> tuple[PerimeterStack, ...]:
        return (self,)


@dataclass(frozen=True)
class ModelStack:
    """One model route's stack file; `manifest` has the environment's countries where it names none."""

    #: The environment lists its model routes, too: left out of texts and of comparing.
    environment: EnvironmentStack = field(repr=False, compare=False)
    name: str
    document: Document
    manifest: ModelRoute

    config_key: ClassVar[str] = MODEL_KEY

    @property
    def stack(self) -> str:
        return f"{self.environment.name}.{self.name}"

    @property
    def settings(self) -> Environment:
        """The settings of its environment."""
        return self.environment.settings

    @property
    def reach(self) -> tuple[ServerStack, ...]:
        return ()

    @property
    def perimeters(self) -> tuple[PerimeterStack, ...]:
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

    @property
    def perimeters(self) -> tuple[PerimeterStack, ...]:
        return ()


#: What stands behind four rings of its own, and its manifest: a server or a model route.
PerimeterStack = ServerStack | ModelStack
PerimeterManifest = Server | ModelRoute
#: What every kind has: `name`, `stack` (Pulumi's name of it), `document`, `config_key` (where its manifest stands), the
#: `environment` it is or belongs to, `reach`, the servers it stands for, and `perimeters`, those and the model routes.
Stack = EnvironmentStack | ServerStack | ModelStack | ZoneStack


def noun(stack: PerimeterStack) -> str:
    """The key under which components and documents say whose they are."""
    return "model_route" if isinstance(stack, ModelStack) else "server"


def leg_of(stack: ModelStack) -> GuardLeg:
    """The guard of a model route; raises InputError where it has none."""
    if (leg := stack.manifest.leg) is None:
        raise stack.document.error(
            manifest_path(stack, "guard"), "this route has no guard", "write the guard's settings to give it one"
        )
    return leg


def has_guard(stack: PerimeterStack) -> bool:
    return stack.manifest.guard is not None


def manifest_path(stack: Stack, *key: str | int) -> KeyPath:
    """Where a key of a stack's manifest stands in its file."""
    return ("config", stack.config_key, *key)
