"""The whole difference: two sides of a project, each as files in a folder, to one report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

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
from plan.diff.semantic.beside import compare_beside
from plan.diff.semantic.exceptions import compare_waivers, compare_zone_rules
from plan.diff.semantic.grants import EVERYONE, Rights, compare_grants, matrix, rights
from plan.diff.semantic.keys import compare_keys, difference
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
        found = {}
        for path, content in self.files.items():
            file = path.rsplit("/", 1)[-1]
            stem = file.removeprefix("Pulumi.")
            if path == "Pulumi.yaml" or stem.startswith(f"{name}.") or file.startswith(f"{name}."):
                found[path] = content
        return found


def compare(
    base: Side,
    head: Side,
    *,
    environment: str | None = None,
    unplanned: tuple[str, ...] = (),
    every_resource: bool = False,
    programs: Plans | None = None,
) -> Report:
    """Compare two sides. Runs nothing of theirs: the installed Ringwall reads and plans their files as data.

    Args:
        environment: only this one (or this zone stack).
        unplanned: files of the revisions that are no stack files, for the report alone.
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
    one, other = (_yaml(side.root / "Pulumi.yaml") for side in (base, head))
    changes = []
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            prose = key in ("description", "author", "website", "license")
            weight = 90 if key == "name" else 5 if prose else 70
            lines = ("every stack is another one then, and nothing deployed belongs to it",) if key == "name" else ()
            lines = ("neutral: read by people only",) if prose else lines
            direction = Direction.NEUTRAL if prose else Direction.LOOSENS
            title = f"Pulumi.yaml: {key}: {difference(one.get(key), other.get(key))}"
            changes.append(change(f"project.{key}", direction, weight, "project", "", title, lines))
    return [StackDiff("project", "project", "changed", tuple(changes))] if changes else []


def _yaml(file: Path) -> dict[str, Any]:
    try:
        value = read(file).value
    except InputError:
        return {}  # its error stands in the report already
    return value if isinstance(value, dict) else {}


def _zone(base: Project | None, head: Project | None, stack: str, errors: list[LoadError]) -> list[Pair]:
    name = stack.removeprefix(ZONE_PREFIX)
    was = _load_side(base, "base", stack, errors, lambda p: load_zone(p, name))
    now = _load_side(head, "head", stack, errors, lambda p: load_zone(p, name))
    status = _status(base, head, stack, was, now)
    pair = Pair(StackDiff(stack, "zone", status), was, now, stack)
    if status == "unreadable":
        pair.changes.append(_unreadable(stack))
        return [pair]
    was_zone, now_zone = zones = [side.manifest if isinstance(side, ZoneStack) else None for side in (was, now)]
    pair.changes += compare_zone_rules(stack, *zones)
    pair.changes += compare_waivers(stack, _waivers(was_zone), _waivers(now_zone))
    if was is None:
        # A kept rule may let pass what no rule after it blocks then (action skip).
        kept = [f"rule {rule.ref}: {rule.action} {rule.expression}" for rule in now_zone.keep] if now_zone else []
        direction = Direction.LOOSENS if kept or status != "new" else Direction.TIGHTENS
        title = "new zone stack" if status == "new" else _BASE_LOST
        pair.changes.append(change("stack-new", direction, 50, stack, "edge", title, kept))
    elif now is None:
        title = "the zone stack is removed, its ruleset is retained in Cloudflare and kept by nobody"
        pair.changes.append(change("stack-removed", Direction.LOOSENS, 80, stack, "edge", title))
    else:
        before, after = was.manifest.dump(), now.manifest.dump()
        pair.changes += compare_keys("zone", stack, before, after)
        pair.changes += compare_beside(stack, was.document, now.document)
    return [pair]


def _load_side(
    project: Project | None, side: str, stack: str, errors: list[LoadError], load: Callable[[Project], Any]
) -> Any:
    if project is None or not _declared(project, stack):
        return None
    return _try(errors, side, stack, lambda: load(project))


def _declared(project: Project, stack: str) -> bool:
    """Servers without their environment's file are its declaration too: one that does not load."""
    return stack in project.stacks() or bool(project.servers_of(stack))


def _status(base: Project | None, head: Project | None, stack: str, was: Any, now: Any) -> str:
    if now is None and (head is None or _declared(head, stack)):
        return "unreadable"
    if now is None:
        return "removed"
    return "new" if was is None and base is not None and stack not in base.stacks() else "changed"


def _unreadable(stack: str) -> Change:
    title = "the head's files do not load, so nothing can be said of them"
    return change("unreadable", Direction.LOOSENS, 100, stack, "", title)


def _environment(
    base: Project | None, head: Project | None, name: str, errors: list[LoadError], *, every: bool = False
) -> list[Pair]:
    was: EnvironmentStack | None = _load_side(base, "base", name, errors, lambda p: load_environment(p, name))
    now: EnvironmentStack | None = _load_side(head, "head", name, errors, lambda p: load_environment(p, name))
    status = _status(base, head, name, was, now)
    own = Pair(StackDiff(name, "environment", status), was, now, name)
    pairs = [own]
    if status == "unreadable":
        own.changes.append(_unreadable(name))
    elif was is None and now is not None:
        title = "new environment" if status == "new" else _BASE_LOST
        agents = [f"agent {agent} gets a service token" for agent in sorted(now.settings.agents)]
        own.changes.append(change("stack-new", Direction.LOOSENS, 70, name, "edge", title, agents))
    elif now is None:
        title = "the environment is removed"
        own.changes.append(change("stack-removed", Direction.TIGHTENS, 50, name, "edge", title, _STILL_THERE))
    elif was is not None:
        before, after = _settings(was.settings), _settings(now.settings)
        if was.settings.defaults.countries is None and now.settings.defaults.countries is None:
            del before["defaults"]["countries"], after["defaults"]["countries"]  # the environment's own, compared there
        own.changes += compare_keys("environment", name, before, after)
        own.changes += compare_beside(name, was.document, now.document)
        own.changes += compare_identity_providers(name, was.settings, now.settings)
    if status != "unreadable":
        own.changes += compare_waivers(
            name, _waivers(was.settings if was else None), _waivers(now.settings if now else None)
        )
    servers = {*(was.servers if was else {}), *(now.servers if now else {})}
    for server in sorted(servers):
        pairs += _server(was, now, server, status, every=every)
    return pairs


_BASE_LOST = "the base's files do not load: everything counts as new"
#: Only files are compared, and taking a file away takes nothing down.
_STILL_THERE = ("what is deployed stays until `ringwall destroy` takes it down, and no file describes it then",)


def _waivers(manifest: Environment | Server | Zone | None) -> list[dict[str, Any]]:
    """They are no part of what is deployed, so `dump` leaves them out."""
    return [waiver.dump() for waiver in manifest.waivers] if manifest is not None else []


def _settings(settings: Environment) -> dict[str, Any]:
    """The dump with `defaults` as servers get them, so that writing a default out changes nothing."""
    from model.defaults import CircuitBreaker, Guard, Limits, Timeouts

    found = settings.dump()
    built_in = {
        "limits": Limits().dump(),
        "timeouts": Timeouts().dump(),
        "circuit_breaker": CircuitBreaker().dump(),
        "guard": Guard().dump(),
        "countries": found["countries"],
        "posture": [],
        "session": "8h",
    }
    defaults = found["defaults"]
    found["defaults"] = {
        **defaults,
        **{key: defaults[key] if defaults.get(key) is not None else value for key, value in built_in.items()},
    }
    return found


def _manifest(server: ServerStack) -> dict[str, Any]:
    found = server.manifest.dump()
    found["guard_admin_port"] = server.manifest.admin_port
    return found


#: What tells two alike servers apart and only names them.
_NAMES = ("hostname", "origin", "guard_port", "guard_admin_port", "access", "grants")


def _way_of_changing(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Equal for servers that are alike but for their names, and that changed in the same keys: their plans differ in the
    same keys of the same resources. The lock is in no resource."""
    was, now = (dict(leaves(side)) for side in (before, after))
    changed = sorted(".".join(map(str, path)) for path in {*was, *now} if was.get(path) != now.get(path))
    alike = {key: value for key, value in before.items() if key not in _NAMES and before[key] == after[key]}
    alike["access"] = [bool(before["access"]["people"]), sorted(before["access"]["agents"])]
    alike["access"] += [sorted(before["access"]["hosted_clients"])]
    return json.dumps([changed, alike], sort_keys=True)


def _unordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unordered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((_unordered(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def _same_in_other_words(
    stack: str, before: dict[str, Any], after: dict[str, Any], changes: Sequence[Change]
) -> list[Change]:
    """Grants or people that are written otherwise though nobody gains or loses anything by it, as resolved."""
    found = []
    for key, prefix in (("grants", "grant-"), ("access", "access-")):
        if _unordered(before[key]) != _unordered(after[key]) and not any(c.id.startswith(prefix) for c in changes):
            lines = ("neutral: resolved with groups and the tool lock both give the same",)
            title = f"{key} are written otherwise" if key == "grants" else f"{key} is written otherwise"
            found.append(change(f"{prefix}rewritten", Direction.NEUTRAL, 10, stack, "", title, lines))
    return found


@dataclass(frozen=True)
class _View:
    """One side of a server, resolved."""

    doors: dict[str, Door]
    rights: Rights
    risks: dict[str, str]

    @classmethod
    def of(cls, environment: EnvironmentStack | None, name: str) -> _View:
        if environment is None or name not in environment.servers:
            return cls({}, {}, {})
        server = environment.servers[name]
        return cls(
            doors(environment.settings, server.manifest),
            rights(server),
            {tool.name: tool.risk for tool in server.lock.tools},
        )


def _server(
    was: EnvironmentStack | None, now: EnvironmentStack | None, name: str, whole: str, *, every: bool
) -> list[Pair]:
    one = was.servers.get(name) if was else None
    other = now.servers.get(name) if now else None
    server = other or one
    if server is None:
        return []
    stack = server.stack
    settings_same = was is not None and now is not None and was.digest == now.digest
    before, after = (_manifest(side) if side else {} for side in (one, other))
    lock_same = one is not None and other is not None and one.lock == other.lock
    beside = compare_beside(stack, one.document, other.document) if one and other else []
    beside += compare_waivers(
        stack, _waivers(one.manifest if one else None), _waivers(other.manifest if other else None)
    )
    if not every and settings_same and lock_same and before == after and not beside:
        return []
    mine, theirs = _View.of(was, name), _View.of(now, name)
    table = matrix(mine.rights, theirs.rights, mine.risks, theirs.risks)
    if whole == "unreadable":
        facts = matrix(mine.rights, mine.rights, mine.risks, mine.risks)
        return [Pair(StackDiff(stack, "server", "unreadable", matrix=facts), None, None, stack)]
    status = "changed" if one and other else "removed" if one else "new"
    raw = _way_of_changing(before, after) if one and other else stack
    pair = Pair(
        StackDiff(stack, "server", status, matrix=table),
        one,
        other,
        raw,
    )
    pair.changes += beside
    may = sorted(n for kind, n in theirs.rights.get(EVERYONE, {}) if kind == "tool")
    pair.changes += compare_access(stack, mine.doors, theirs.doors, may)
    pair.changes += compare_grants(stack, mine.rights, theirs.rights, mine.risks, theirs.risks)
    if one and other:
        granted = {thing for things in theirs.rights.values() for thing in things}
        pair.changes += compare_keys("server", stack, before, after)
        pair.changes += compare_locks(stack, one.lock, other.lock, granted)
        pair.changes += _same_in_other_words(stack, before, after, pair.changes)
    if status == "new" and other is not None:
        where = other.manifest
        lines = (
            f"host {where.host}",
            f"sign-in: {where.oauth.mode}",
            f"guard engines: {', '.join(where.guard.engines.names)}",
        )
        title = f"new server, public at {', '.join(where.hostnames)}"
        pair.changes.append(change("stack-new", Direction.LOOSENS, 92, stack, "edge", title, lines))
    elif status == "removed" and one is not None:
        title = f"the server is removed; {', '.join(one.manifest.hostnames)} is declared no longer"
        pair.changes.append(change("stack-removed", Direction.TIGHTENS, 50, stack, "edge", title, _STILL_THERE))
    return [pair]
