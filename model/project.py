"""A project folder: Pulumi.yaml, the stack files it names, and their tool locks, read and checked together.

The stack file is the manifest; the engine and the offline plan both start here, so both refuse the same files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.base import validate
from model.clear_secrets import find_clear_secrets
from model.cross_checks import GUARD_KEY, TUNNEL_SECRET, check_model, check_server, check_together
from model.environment import Environment
from model.errors import InputError, InputErrors, NoProject
from model.loader import Document, KeyPath, read, read_text
from model.logpush import LOGPUSH_KEYS
from model.model_route import ModelRoute
from model.portal_checks import check_portal
from model.problems import nearest
from model.server import Server
from model.stacks import (
    ENVIRONMENT_KEY,
    KINDS,
    MODEL_KEY,
    SERVER_KEY,
    ZONE_KEY,
    ZONE_PREFIX,
    EnvironmentStack,
    ModelStack,
    PerimeterStack,
    ServerStack,
    Stack,
    ZoneStack,
    config_key_of,
    environment_of,
    server_of,
)
from model.suggestions import did_you_mean
from model.tool_lock import from_text as lock_from_text
from model.zone import Zone

#: Keys beside the manifest; each must be a top-level `secure:` value, which Pulumi encrypts.
SECRET_KEYS = {"cloudflare:apiToken", "kong:kongAdminToken", TUNNEL_SECRET, GUARD_KEY, *LOGPUSH_KEYS}
PULUMI_KEYS = {"config", "encryptionsalt", "encryptedkey", "secretsprovider"}
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_STACK_FILE = re.compile(r"Pulumi\.(?P<stack>.+)\.ya?ml")


@dataclass(frozen=True)
class Project:
    """Where the stack files live."""

    root: Path
    name: str
    stack_dir: Path

    def stack_file(self, stack: str) -> Path:
        return self.stack_dir / f"Pulumi.{stack}.yaml"

    def lock_file(self, stack: str) -> Path:
        return self.stack_dir / f"{stack}.lock.yaml"

    def stacks(self) -> list[str]:
        """Names of all stacks that have a file, sorted."""
        matches = (_STACK_FILE.fullmatch(path.name) for path in self.stack_dir.glob("Pulumi.*.y*ml"))
        return sorted(match["stack"] for match in matches if match)

    def environments(self) -> list[str]:
        return [stack for stack in self.stacks() if "." not in stack]

    def members_of(self, environment: str) -> list[str]:
        """Names of an environment's servers and model routes; which of the two each is, its file says."""
        return [server_of(s) for s in self.stacks() if environment_of(s) == environment and server_of(s)]

    def zones(self) -> list[str]:
        return [s.removeprefix(ZONE_PREFIX) for s in self.stacks() if s.startswith(ZONE_PREFIX)]

    def unknown(self, stack: str) -> InputError:
        """The error for a stack that has no file: the name that was meant, or how to make the first environment."""
        known, (name, server) = self.stacks(), (environment_of(stack), server_of(stack))
        if stack in known:
            return _unreadable(self.stack_file(stack))
        if self.members_of(name) and name not in known:
            remedy = f"its servers' files are here: run `ringwall init {name}`, or restore {self.stack_file(name).name}"
            return InputError(f"there is no stack {name}", file=self.stack_file(name), remedy=remedy)
        if not known:
            remedy = f"make the environment: `ringwall init {name}`"
            if not self.stack_dir.is_dir():
                remedy = f"its folder {self.stack_dir} is not there: correct stackConfigDir in Pulumi.yaml, or {remedy}"
            return InputError(f"there is no stack {stack}", remedy=remedy)
        if server and name in known:
            servers = [f"{name}.{known_server}" for known_server in self.members_of(name)]
            remedy = did_you_mean(stack, servers, none=f"{name} has no servers")
            return InputError(f"there is no server {server} in environment {name}", remedy=remedy)
        owners = [known_stack for known_stack in known if server_of(known_stack) == stack]
        if owners:
            return InputError(
                f"{stack} is a server of {' and of '.join(map(environment_of, owners))}",
                remedy=f"write {' or '.join(owners)}",
            )
        return InputError(f"there is no stack {stack}", remedy=did_you_mean(stack, known))


def _unreadable(file: Path) -> InputError:
    """The error for a stack whose file is there by its name, and cannot be read as that file."""
    with_short_ending = file.with_suffix(".yml")
    if not file.exists() and with_short_ending.exists():
        return InputError("a stack file ends in .yaml", file=with_short_ending, remedy=f"rename it {file.name}")
    return InputError("is no file, or leads to none", file=file, remedy="put the stack file in its place")


def find_project(start: Path) -> Project:
    """The project of `start` or the nearest folder above it; raises `InputError` when there is none."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if os.path.lexists(folder / "Pulumi.yaml"):  # one that is no file is refused: a project above it is another
            return open_project(folder)
    raise NoProject(
        "no Pulumi.yaml here or above", file=start, remedy="run `ringwall init ENV`, or name the folder with --project"
    )


def open_project(root: Path) -> Project:
    file = root / "Pulumi.yaml"
    document = read(file)
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise document.error((), "is not a Pulumi project: it has no name", "run `ringwall init ENV`")
    folder = value.get("stackConfigDir") or "."
    if not isinstance(folder, str):
        raise document.error(("stackConfigDir",), "must be text", "quote it")
    return Project(root, str(value["name"]), root / folder)


def load(project: Project, stack: str) -> Stack:
    """Read a stack with all it belongs to; raises `model.errors.InputError`."""
    if named := _STACK_FILE.fullmatch(Path(stack).name):
        raise InputError(f"{stack} is a file, not a stack", remedy=f"write the stack's name: {named['stack']}")
    if stack.startswith(ZONE_PREFIX):
        return load_zone(project, stack.removeprefix(ZONE_PREFIX))
    name, server = environment_of(stack), server_of(stack)
    environment = load_environment(project, name)
    if not server:
        return environment
    for member in environment.perimeters:
        if member.name == server:
            return member
    raise project.unknown(stack)


def load_environment(project: Project, name: str, newcomer: str | None = None) -> EnvironmentStack:
    """Read one environment with every server and model route of it, and check them together; `newcomer` is one that is
    being added.

    Raises:
        InputErrors: all problems found, one line each.
    """
    problems: list[InputError] = []
    if not _NAME.fullmatch(name) or name == "zone":
        lower = name.lower() if name.lower() in project.environments() else None
        raise InputError(
            f"{name!r} is no environment name",
            remedy=f"write {lower}" if lower else "use lower-case letters, digits and -, and not the word zone",
        )
    document = _read_stack(project, name, "an environment", "write it as docs/reference/environment.md says")
    try:
        settings: Environment = _manifest(document, ENVIRONMENT_KEY, Environment)
    except InputError as error:
        raise InputErrors(_each(error)) from None
    environment = EnvironmentStack(name, document, settings)
    for member in project.members_of(name):
        try:
            loaded = _load_member(project, environment, member)
        except InputError as error:
            problems += _each(error)
        else:
            if isinstance(loaded, ServerStack):
                environment.servers[member] = loaded
            else:
                environment.models[member] = loaded
    if problems:
        raise InputErrors(problems)
    for stack in environment.perimeters:
        problems += check_server(stack, settings) if isinstance(stack, ServerStack) else check_model(stack, settings)
    problems += check_together(environment, newcomer)
    problems += check_portal(environment)
    if problems:
        raise InputErrors(problems)
    return environment


def load_settings(project: Project, name: str) -> Environment:
    """An environment's own settings, without reading its servers' files; raises `InputError`."""
    document = _read_stack(project, name, "an environment", "write it as docs/reference/environment.md says")
    settings: Environment = _manifest(document, ENVIRONMENT_KEY, Environment)
    return settings


def load_zone(project: Project, name: str) -> ZoneStack:
    document = _read_stack(project, ZONE_PREFIX + name, "a zone", "write it as docs/reference/zone.md says")
    return ZoneStack(name, document, _manifest(document, ZONE_KEY, Zone))


def _read_stack(project: Project, stack: str, kind: str, remedy: str) -> Document:
    file = project.stack_file(stack)
    if not file.is_file():
        raise project.unknown(stack)
    document = read(file)
    value = document.value
    if not isinstance(value, dict):
        raise document.error((), f"is not a stack file of {kind}", remedy)
    problems = []
    for key in value:
        if key not in PULUMI_KEYS:
            problems.append(document.error((key,), "unknown key", nearest(key, sorted(PULUMI_KEYS))))
    if problems and "config" not in value:
        raise InputErrors(problems)  # one of them was meant to be it
    config = value.get("config")
    if not isinstance(config, dict):
        raise document.error(("config",), "must be a mapping that holds the manifest", remedy)
    problems += list(_config_key_problems(document, config))
    if problems:
        raise InputErrors(problems)
    return document


def _config_key_problems(document: Document, config: dict[str, Any]) -> Iterator[InputError]:
    """Problems of the keys that stand beside the manifest in `config`."""
    for key, value in config.items():
        path: KeyPath = ("config", key)
        if key in KINDS or key.startswith("pulumi:"):
            continue
        if key not in SECRET_KEYS:
            remedy = nearest(key, sorted({*KINDS, *SECRET_KEYS}))
            yield document.error(path, "unknown key: providers are explicit and read nothing from here", remedy)
        elif not (isinstance(value, dict) and list(value) == ["secure"] and isinstance(value["secure"], str)):
            yield document.error(
                path, "a secret in clear", f"run `pulumi config set --secret {key}` and rotate the value"
            )


def _manifest(document: Document, key: str, model: Any, inherited: dict[str, Any] | None = None) -> Any:
    config = config_of(document)
    below: KeyPath = ("config", key)
    foreign_keys = sorted(k for k in KINDS if k in config and k != key)
    if foreign_keys:
        raise document.error(
            ("config", foreign_keys[0]), f"a stack of kind {KINDS[key]} has no such manifest", "remove it"
        )
    if key not in config:
        raise document.error(("config",), f"holds no {key}", f"write the manifest under {key}")
    problems = find_clear_secrets(document, below)
    if problems:
        raise InputErrors(problems)
    value = config[key]
    if inherited and isinstance(value, dict):
        value = merge(inherited, value)
    return validate(model, value, document, below)


def config_of(document: Document) -> dict[str, Any]:
    """The `config` mapping of a stack file, empty when it has none."""
    config = document.value.get("config") if isinstance(document.value, dict) else None
    return config if isinstance(config, dict) else {}


def manifest_key(document: Document, stack: str) -> str:
    """Where the manifest of a stack stands in its file; a server and a model route differ in nothing else."""
    return MODEL_KEY if MODEL_KEY in config_of(document) else config_key_of(stack)


def _load_member(project: Project, environment: EnvironmentStack, name: str) -> PerimeterStack:
    stack = f"{environment.name}.{name}"
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name} is no server name", file=project.stack_file(stack), remedy="use lower-case letters, digits and -"
        )
    document = _read_stack(
        project, stack, "a server", f"run `ringwall onboard {name} --env {environment.name} --url URL`"
    )
    if MODEL_KEY in config_of(document):
        return _load_model(environment, name, document)
    return _load_server(project, environment, name, document)


def _load_model(environment: EnvironmentStack, name: str, document: Document) -> ModelStack:
    """A model route takes the environment's countries; its `defaults` are for servers."""
    inherited = {"countries": list(environment.settings.countries)}
    manifest: ModelRoute = _manifest(document, MODEL_KEY, ModelRoute, inherited)
    return ModelStack(environment, name, document, manifest)


def _load_server(project: Project, environment: EnvironmentStack, name: str, document: Document) -> ServerStack:
    settings, stack = environment.settings, f"{environment.name}.{name}"
    inherited = settings.defaults.model_dump(mode="json", by_alias=True, exclude_unset=True)
    inherited.setdefault("countries", list(settings.countries))
    if _registers_elsewhere(document):
        inherited.pop("access", None)
    manifest: Server = _manifest(document, SERVER_KEY, Server, inherited)
    lock_file = project.lock_file(stack)
    if not lock_file.exists():
        raise InputError(
            "the tool lock is missing",
            file=lock_file,
            remedy=f"run `ringwall onboard {name} --env {environment.name}`, review the lock and commit it",
        )
    lock = lock_from_text(read_text(lock_file), lock_file)
    return ServerStack(environment, name, document, manifest, lock_file, lock)


def _registers_elsewhere(document: Document) -> bool:
    """Whether the server's clients register at an external issuer, whose list of clients no default here can be."""
    manifest = config_of(document).get(SERVER_KEY)
    oauth = manifest.get("oauth") if isinstance(manifest, dict) else None
    return isinstance(oauth, dict) and oauth.get("mode") == "external"


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; everything else in `over` replaces."""
    result = dict(base)
    for key, value in over.items():
        inherited = result.get(key)
        result[key] = merge(inherited, value) if isinstance(inherited, dict) and isinstance(value, dict) else value
    return result


def _each(error: InputError) -> list[InputError]:
    return error.problems if isinstance(error, InputErrors) else [error]
