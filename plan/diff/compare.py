"""Compares the base and the head of a project, each as files in a folder, and makes one report of it.

What a changed setting means is decided in `semantic`; plans and resources are compared in `pairs` and `resources`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from model.defaults import CircuitBreaker, Guard, Limits, Timeouts
from model.environment import Environment
from model.errors import InputError, InputErrors
from model.loader import read
from model.loader import walk as leaves
from model.project import Project, load_environment, load_zone, open_project
from model.server import Server
from model.stacks import ZONE_PREFIX, EnvironmentStack, ServerStack, ZoneStack, environment_of
from model.tool_lock import visible
from model.zone import Zone
from plan.diff.model import Change, Direction, LoadError, Report, StackDiff, change
from plan.diff.pairs import Pair, Plans, planned
from plan.diff.semantic.access import Door, compare_access, compare_identity_providers, doors
from plan.diff.semantic.exceptions import compare_waivers, compare_zone_rules
from plan.diff.semantic.grants import EVERYONE, Rights, compare_grants, matrix, rights
from plan.diff.semantic.keys import compare_keys, difference
from plan.diff.semantic.stack_settings import compare_stack_settings
from plan.diff.semantic.tools import compare_locks


@dataclass(frozen=True)
class Side:
    """One revision: its label and the folder that holds its files (`operations.pull_request.revisions`), Pulumi.yaml
    at the top."""

    label: str
    root: Path

    @cached_property
    def project(self) -> Project:
        """Raises `InputError` when Pulumi.yaml is missing or wrong."""
        return open_project(self.root)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file by its path below the folder."""
        return {
            p.relative_to(self.root).as_posix(): p.read_bytes() for p in sorted(self.root.rglob("*")) if p.is_file()
        }

    def of_environment(self, name: str) -> dict[str, bytes]:
        """File name to content of one environment (or zone) with its servers and locks, and of Pulumi.yaml."""
        contents = {}
        for path, content in self.files.items():
            file = path.rsplit("/", 1)[-1]
            stem = file.removeprefix("Pulumi.")
            if path == "Pulumi.yaml" or stem.startswith(f"{name}.") or file.startswith(f"{name}."):
                contents[path] = content
        return contents


def compare(
    base: Side,
    head: Side,
    *,
    environment: str | None = None,
    unplanned: tuple[str, ...] = (),
    every_resource: bool = False,
    programs: Plans | None = None,
) -> Report:
    """Compare two revisions. No code of theirs is run: the installed Ringwall reads and plans their files as data.

    Args:
        environment: only this one (or this zone stack).
        unplanned: changed files that are no stack files; the report only names them.
        every_resource: plan every changed server, however many.
        programs: plans each side by its own code instead; then every stack is planned, as the code may have changed what
            equal files mean.
    """
    errors: list[LoadError] = []
    opened = {
        side: _try(errors, name, "", partial(getattr, side, "project"))
        for name, side in (("base", base), ("head", head))
    }
    stacks = {stack for project in opened.values() if project is not None for stack in project.stacks()}
    names = {environment_of(stack) for stack in stacks}
    pairs: list[Pair] = []
    for name in sorted(names if environment is None else names & {environment}):
        if programs is None and base.of_environment(name) == head.of_environment(name):
            continue
        if name.startswith(ZONE_PREFIX):
            pairs += _zone(opened[base], opened[head], name, errors)
        else:
            pairs += _environment(opened[base], opened[head], name, errors, every=programs is not None)
    diffs = planned(opened[base], opened[head], pairs, every_resource or programs is not None, programs)
    diffs += _project_file(base, head)
    project = next((p.name for p in (opened[head], opened[base]) if p is not None), "")
    notes = (
        [f"{len(unplanned)} changed files are no stack files of this project; this report plans none of their code"]
        if unplanned
        else []
    )
    alike = sum(1 for diff in diffs if diff.resources_like is not None)
    if alike:
        notes.append(
            f"{alike} servers that changed in the same keys as another were not planned; --every-resource does"
        )
    return Report(
        project,
        base.label,
        head.label,
        tuple(sorted((d for d in diffs if d.changes or d.resources or d.status != "changed"), key=lambda d: d.stack)),
        tuple(replace(e, message=_relative(e.message, base, head)) for e in errors),
        tuple(sorted(unplanned)),
        tuple(notes),
    )


def _relative(message: str, *sides: Side) -> str:
    for side in sides:
        message = message.replace(f"{side.root}/", "")
    return visible(message)


def _try(errors: list[LoadError], side: str, stack: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except InputErrors as error:
        errors += [LoadError(side, stack, str(problem)) for problem in error.problems]
    except InputError as error:
        errors.append(LoadError(side, stack, str(error)))
    return None


def _project_file(base: Side, head: Side) -> list[StackDiff]:
    """Pulumi.yaml: its name is part of every URN, its program and backend decide what runs and where state goes."""
    base_file, head_file = (_yaml(side.root / "Pulumi.yaml") for side in (base, head))
    changes = []
    for key in sorted({*base_file, *head_file}):
        if base_file.get(key) != head_file.get(key):
            prose = key in ("description", "author", "website", "license")
            weight = 90 if key == "name" else 5 if prose else 70
            lines = (
                ("the name is part of every URN, so nothing deployed belongs to the new name",) if key == "name" else ()
            )
            lines = ("neutral: only people read it",) if prose else lines
            direction = Direction.NEUTRAL if prose else Direction.LOOSENS
            title = f"Pulumi.yaml: {key}: {difference(base_file.get(key), head_file.get(key))}"
            changes.append(change(f"project.{key}", direction, weight, "project", "", title, lines))
    return [StackDiff("project", "project", "changed", tuple(changes))] if changes else []


def _yaml(file: Path) -> dict[str, Any]:
    try:
        value = read(file).value
    except InputError:
        return {}  # the error is in the report already: opening the project has failed on it
    return value if isinstance(value, dict) else {}


def _zone(base: Project | None, head: Project | None, stack: str, errors: list[LoadError]) -> list[Pair]:
    name = stack.removeprefix(ZONE_PREFIX)
    base_stack = _load_side(base, "base", stack, errors, lambda p: load_zone(p, name))
    head_stack = _load_side(head, "head", stack, errors, lambda p: load_zone(p, name))
    status = _status(base, head, stack, base_stack, head_stack)
    pair = Pair(StackDiff(stack, "zone", status), base_stack, head_stack, stack)
    if status == "unreadable":
        pair.changes.append(_unreadable(stack))
        return [pair]
    base_zone, head_zone = zones = [
        side.manifest if isinstance(side, ZoneStack) else None for side in (base_stack, head_stack)
    ]
    pair.changes += compare_zone_rules(stack, *zones)
    pair.changes += compare_waivers(stack, _waivers(base_zone), _waivers(head_zone))
    if base_stack is None:
        # A kept rule may let pass what no rule after it blocks then (action skip).
        kept_rules = (
            [f"rule {rule.ref}: {rule.action} {rule.expression}" for rule in head_zone.keep] if head_zone else []
        )
        direction = Direction.LOOSENS if kept_rules or status != "new" else Direction.TIGHTENS
        title = "new zone stack" if status == "new" else _BASE_LOST
        pair.changes.append(change("stack-new", direction, 50, stack, "edge", title, kept_rules))
    elif head_stack is None:
        title = "the zone stack is removed; its ruleset stays in Cloudflare, and no file describes it any longer"
        pair.changes.append(change("stack-removed", Direction.LOOSENS, 80, stack, "edge", title))
    else:
        base_manifest, head_manifest = base_stack.manifest.dump(), head_stack.manifest.dump()
        pair.changes += compare_keys("zone", stack, base_manifest, head_manifest)
        pair.changes += compare_stack_settings(stack, base_stack.document, head_stack.document)
    return [pair]


def _load_side(
    project: Project | None, side: str, stack: str, errors: list[LoadError], load: Callable[[Project], Any]
) -> Any:
    if project is None or not _declared(project, stack):
        return None
    return _try(errors, side, stack, lambda: load(project))


def _declared(project: Project, stack: str) -> bool:
    """Whether a project declares a stack. An environment is also declared by its servers' files alone, and fails to load."""
    return stack in project.stacks() or bool(project.servers_of(stack))


def _status(base: Project | None, head: Project | None, stack: str, base_stack: Any, head_stack: Any) -> str:
    if head_stack is None and (head is None or _declared(head, stack)):
        return "unreadable"
    if head_stack is None:
        return "removed"
    return "new" if base_stack is None and base is not None and stack not in base.stacks() else "changed"


def _unreadable(stack: str) -> Change:
    title = "the head's files do not load, so they could not be compared"
    return change("unreadable", Direction.LOOSENS, 100, stack, "", title)


def _environment(
    base: Project | None, head: Project | None, name: str, errors: list[LoadError], *, every: bool = False
) -> list[Pair]:
    base_stack: EnvironmentStack | None = _load_side(base, "base", name, errors, lambda p: load_environment(p, name))
    head_stack: EnvironmentStack | None = _load_side(head, "head", name, errors, lambda p: load_environment(p, name))
    status = _status(base, head, name, base_stack, head_stack)
    pair = Pair(StackDiff(name, "environment", status), base_stack, head_stack, name)
    pairs = [pair]
    if status == "unreadable":
        pair.changes.append(_unreadable(name))
    elif base_stack is None and head_stack is not None:
        title = "new environment" if status == "new" else _BASE_LOST
        agents = [f"agent {agent} gets a service token" for agent in sorted(head_stack.settings.agents)]
        pair.changes.append(change("stack-new", Direction.LOOSENS, 70, name, "edge", title, agents))
    elif head_stack is None:
        title = "the environment is removed"
        pair.changes.append(change("stack-removed", Direction.TIGHTENS, 50, name, "edge", title, _STILL_THERE))
    elif base_stack is not None:
        base_settings, head_settings = _settings(base_stack.settings), _settings(head_stack.settings)
        if base_stack.settings.defaults.countries is None and head_stack.settings.defaults.countries is None:
            for settings in (base_settings, head_settings):
                del settings["defaults"]["countries"]  # these are the environment's own countries, compared there
        pair.changes += compare_keys("environment", name, base_settings, head_settings)
        pair.changes += compare_stack_settings(name, base_stack.document, head_stack.document)
        pair.changes += compare_identity_providers(name, base_stack.settings, head_stack.settings)
    if status != "unreadable":
        pair.changes += compare_waivers(
            name,
            _waivers(base_stack.settings if base_stack else None),
            _waivers(head_stack.settings if head_stack else None),
        )
    servers = {*(base_stack.servers if base_stack else {}), *(head_stack.servers if head_stack else {})}
    for server in sorted(servers):
        pairs += _server(base_stack, head_stack, server, status, every=every)
    return pairs


_BASE_LOST = "the base's files do not load, so everything in the head counts as new"
#: Only files are compared, and removing a file removes nothing that is deployed.
_STILL_THERE = ("what is deployed stays, and no file describes it, until `ringwall destroy` takes it down",)


def _waivers(manifest: Environment | Server | Zone | None) -> list[dict[str, Any]]:
    """The waivers of a manifest, which `dump` leaves out as they are no part of what is deployed."""
    return [waiver.dump() for waiver in manifest.waivers] if manifest is not None else []


def _settings(settings: Environment) -> dict[str, Any]:
    """The dump with `defaults` filled in as servers get them, so that writing a built-in default down is no change."""
    document = settings.dump()
    built_in = {
        "limits": Limits().dump(),
        "timeouts": Timeouts().dump(),
        "circuit_breaker": CircuitBreaker().dump(),
        "guard": Guard().dump(),
        "countries": document["countries"],
        "posture": [],
        "session": "8h",
    }
    defaults = document["defaults"]
    document["defaults"] = {
        **defaults,
        **{key: defaults[key] if defaults.get(key) is not None else value for key, value in built_in.items()},
    }
    return document


def _manifest(server: ServerStack) -> dict[str, Any]:
    document = server.manifest.dump()
    document["guard_admin_port"] = server.manifest.admin_port
    return document


#: Keys in which two servers may differ and still be alike: names, ports and principals.
_NAMES = ("hostname", "origin", "guard_port", "guard_admin_port", "access", "grants")


def _change_key(base: dict[str, Any], head: dict[str, Any]) -> str:
    """A text that is equal for two servers that are alike but for their names and changed in the same keys.

    Their plans then differ in the same keys of the same resources. The tool lock is left out, as no resource holds it.
    """
    base_leaves, head_leaves = (dict(leaves(side)) for side in (base, head))
    changed = sorted(
        ".".join(map(str, path))
        for path in {*base_leaves, *head_leaves}
        if base_leaves.get(path) != head_leaves.get(path)
    )
    alike = {key: value for key, value in base.items() if key not in _NAMES and base[key] == head[key]}
    alike["access"] = [bool(base["access"]["people"]), sorted(base["access"]["agents"])]
    alike["access"] += [sorted(base["access"]["hosted_clients"])]
    return json.dumps([changed, alike], sort_keys=True)


def _unordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unordered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((_unordered(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def _rewritten(stack: str, base: dict[str, Any], head: dict[str, Any], changes: Sequence[Change]) -> list[Change]:
    """Changes of how grants or people are written by which, once resolved, nobody gains or loses anything."""
    rewritten = []
    for key, prefix in (("grants", "grant-"), ("access", "access-")):
        if _unordered(base[key]) != _unordered(head[key]) and not any(c.id.startswith(prefix) for c in changes):
            lines = ("neutral: with groups and tool lock resolved, base and head mean the same",)
            title = f"{key} {'are' if key == 'grants' else 'is'} written differently"
            rewritten.append(change(f"{prefix}rewritten", Direction.NEUTRAL, 10, stack, "", title, lines))
    return rewritten


@dataclass(frozen=True)
class _View:
    """One side of a server with its groups and grants resolved; empty where that side does not have it."""

    doors: dict[str, Door]
    rights: Rights
    risks: dict[str, str]

    @classmethod
    def resolve(cls, environment: EnvironmentStack | None, name: str) -> _View:
        if environment is None or name not in environment.servers:
            return cls({}, {}, {})
        server = environment.servers[name]
        return cls(
            doors(environment.settings, server.manifest),
            rights(environment.settings, server),
            {tool.name: tool.risk for tool in server.lock.tools},
        )


def _server(
    base_environment: EnvironmentStack | None,
    head_environment: EnvironmentStack | None,
    name: str,
    environment_status: str,
    *,
    every: bool,
) -> list[Pair]:
    base_server = base_environment.servers.get(name) if base_environment else None
    head_server = head_environment.servers.get(name) if head_environment else None
    server = head_server or base_server
    if server is None:
        return []
    stack = server.stack
    same_settings = (
        base_environment is not None
        and head_environment is not None
        and base_environment.digest == head_environment.digest
    )
    base_manifest, head_manifest = (_manifest(side) if side else {} for side in (base_server, head_server))
    same_lock = base_server is not None and head_server is not None and base_server.lock == head_server.lock
    settings_changes = (
        compare_stack_settings(stack, base_server.document, head_server.document) if base_server and head_server else []
    )
    settings_changes += compare_waivers(
        stack,
        _waivers(base_server.manifest if base_server else None),
        _waivers(head_server.manifest if head_server else None),
    )
    if not every and same_settings and same_lock and base_manifest == head_manifest and not settings_changes:
        return []
    base_view, head_view = _View.resolve(base_environment, name), _View.resolve(head_environment, name)
    rights_matrix = matrix(base_view.rights, head_view.rights, base_view.risks, head_view.risks)
    if environment_status == "unreadable":
        unread_matrix = matrix(base_view.rights, base_view.rights, base_view.risks, base_view.risks)
        return [Pair(StackDiff(stack, "server", "unreadable", matrix=unread_matrix), None, None, stack)]
    status = "changed" if base_server and head_server else "removed" if base_server else "new"
    change_key = _change_key(base_manifest, head_manifest) if base_server and head_server else stack
    pair = Pair(
        StackDiff(stack, "server", status, matrix=rights_matrix),
        base_server,
        head_server,
        change_key,
    )
    pair.changes += settings_changes
    open_tools = sorted(n for kind, n in head_view.rights.get(EVERYONE, {}) if kind == "tool")
    pair.changes += compare_access(stack, base_view.doors, head_view.doors, open_tools)
    pair.changes += compare_grants(stack, base_view.rights, head_view.rights, base_view.risks, head_view.risks)
    if base_server and head_server:
        granted = {primitive for primitives in head_view.rights.values() for primitive in primitives}
        pair.changes += compare_keys("server", stack, base_manifest, head_manifest)
        pair.changes += compare_locks(stack, base_server.lock, head_server.lock, granted)
        pair.changes += _rewritten(stack, base_manifest, head_manifest, pair.changes)
    if status == "new" and head_server is not None:
        manifest = head_server.manifest
        lines = (
            f"host {manifest.host}",
            f"sign-in: {manifest.oauth.mode}",
            f"guard engines: {', '.join(manifest.guard.engines.names)}",
        )
        title = f"new server, public at {', '.join(manifest.hostnames)}"
        pair.changes.append(change("stack-new", Direction.LOOSENS, 92, stack, "edge", title, lines))
    elif status == "removed" and base_server is not None:
        title = f"the server is removed; {', '.join(base_server.manifest.hostnames)} is no longer declared"
        pair.changes.append(change("stack-removed", Direction.TIGHTENS, 50, stack, "edge", title, _STILL_THERE))
    return [pair]
