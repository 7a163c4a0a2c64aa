"""Compares the base and the head of a project, each as files in a folder, and makes one report of it.

What a changed setting means is decided in `semantic`; plans and resources are compared in `pairs` and `resources`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from model.defaults import CircuitBreaker, Guard, Limits, Timeouts
from model.environment import Environment
from model.errors import InputError, InputErrors
from model.loader import read
from model.project import Project, load_environment, load_zone, open_project
from model.stacks import ZONE_PREFIX, EnvironmentStack, ZoneStack, environment_of
from model.text import counted, visible
from plan.diff.model import Change, DiffReport, Direction, LoadError, StackDiff, change
from plan.diff.models import compare_model
from plan.diff.pairs import STILL_DEPLOYED, Pair, Plans, planned
from plan.diff.semantic.access import compare_identity_providers
from plan.diff.semantic.exceptions import compare_waivers, compare_zone_rules, dump_waivers
from plan.diff.semantic.keys import compare_keys, difference
from plan.diff.semantic.portal import compare_portal
from plan.diff.semantic.stack_settings import compare_stack_settings
from plan.diff.servers import compare_server


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
) -> DiffReport:
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
        [f"not planned: {counted(len(unplanned), 'changed file')} outside the stack files of this project"]
        if unplanned
        else []
    )
    alike = sum(1 for diff in diffs if diff.resources_like is not None)
    if alike:
        notes.append(
            f"not planned, --every-resource does: {counted(alike, 'server')} with changes in the same keys as another"
        )
    return DiffReport(
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
    pair.changes += compare_waivers(stack, dump_waivers(base_zone), dump_waivers(head_zone))
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
    return stack in project.stacks() or bool(project.members_of(stack))


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
        pair.changes.append(change("stack-removed", Direction.TIGHTENS, 50, name, "edge", title, STILL_DEPLOYED))
    elif base_stack is not None:
        base_settings, head_settings = _settings(base_stack.settings), _settings(head_stack.settings)
        if base_stack.settings.defaults.countries is None and head_stack.settings.defaults.countries is None:
            for settings in (base_settings, head_settings):
                del settings["defaults"]["countries"]  # these are the environment's own countries, compared there
        pair.changes += compare_keys("environment", name, base_settings, head_settings)
        pair.changes += compare_stack_settings(name, base_stack.document, head_stack.document)
        pair.changes += compare_identity_providers(name, base_stack.settings, head_stack.settings)
    if status != "unreadable":
        pair.changes += compare_portal(base_stack, head_stack)
        pair.changes += compare_waivers(
            name,
            dump_waivers(base_stack.settings if base_stack else None),
            dump_waivers(head_stack.settings if head_stack else None),
        )
    models = {*(base_stack.models if base_stack else {}), *(head_stack.models if head_stack else {})}
    for model in sorted(models):
        pairs += compare_model(base_stack, head_stack, model, status, every=every)
    servers = {*(base_stack.servers if base_stack else {}), *(head_stack.servers if head_stack else {})}
    for server in sorted(servers):
        pairs += compare_server(base_stack, head_stack, server, status, every=every)
    return pairs


_BASE_LOST = "the base's files do not load, so everything in the head counts as new"


def _settings(settings: Environment) -> dict[str, Any]:
    """The dump with `defaults` filled in as servers get them, so that writing a built-in default down is no change."""
    document = settings.dump()
    # Left out where nobody raised them; writing a limit down as it is changes nothing.
    document["quotas"] = {name: getattr(settings.quotas, name) for name in type(settings.quotas).model_fields}
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
