"""All stacks that a project's files declare, with their facts or their first error.

An error in one server's files hides no other stack. Nothing deployed is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from components.edge.access import server_policies
from model.errors import InputError, InputErrors
from model.loader import read
from model.model_route import granted_models
from model.project import Project, load_environment, load_zone, manifest_key
from model.stacks import KINDS, EnvironmentStack, ModelStack, ServerStack, ZoneStack, environment_of
from operations.project.server_files import granted
from operations.project.staging import PartialProject


@dataclass(frozen=True)
class InventoryRow:
    """One stack. `error` is its first problem, or None; where there is one, `facts` is empty."""

    stack: str
    kind: str
    facts: dict[str, Any]
    error: str | None = None


def inventory(project: Project) -> list[InventoryRow]:
    """All stacks: each environment followed by what belongs to it, then zones, then files without an environment."""
    rows: list[InventoryRow] = []
    for name in project.environments():
        rows += _environment_rows(project, name)
    for name in project.zones():
        rows.append(_zone_row(project, name))
    known = {row.stack for row in rows}
    for stack in project.stacks():
        if stack not in known:
            environment = environment_of(stack)
            error = InputError(
                f"there is no environment {environment}",
                file=project.stack_file(stack),
                remedy=f"run `ringwall init {environment}`, or remove the file",
            )
            rows.append(InventoryRow(stack, _kind(project, stack), {}, str(error)))
    return rows


def _environment_rows(project: Project, name: str) -> list[InventoryRow]:
    errors: dict[str, str] = {}
    loaded: EnvironmentStack | None = None
    while loaded is None:
        readable = PartialProject(project.root, project.name, project.stack_dir, frozenset(errors))
        try:
            loaded = load_environment(readable, name)
        except InputError as error:
            by_stack = _by_stack(project, name, error.problems if isinstance(error, InputErrors) else [error])
            errors.update(by_stack)
            if name in by_stack:
                break
    stacks = [f"{name}.{member}" for member in project.members_of(name)]
    if loaded is None:
        consequence = f"its environment {name} is not valid"
        return [
            InventoryRow(name, "environment", {}, errors[name]),
            *(InventoryRow(stack, _kind(project, stack), {}, errors.get(stack, consequence)) for stack in stacks),
        ]
    kinds = {stack: _kind(project, stack) for stack in stacks}
    rows = [InventoryRow(name, "environment", _environment_facts(loaded, list(kinds.values())))]
    readable_stacks = {member.stack: member for member in loaded.perimeters}
    for stack, kind in kinds.items():
        member = readable_stacks.get(stack)
        facts = (
            {} if member is None else _server_facts(member) if isinstance(member, ServerStack) else _model_facts(member)
        )
        rows.append(InventoryRow(stack, kind, facts, errors.get(stack)))
    return rows


def _kind(project: Project, stack: str) -> str:
    """What a stack is by its file; a file that cannot be read counts as a server's."""
    try:
        return KINDS[manifest_key(read(project.stack_file(stack)), stack)]
    except InputError:
        return "server"


def _by_stack(project: Project, environment: str, problems: Iterable[InputError]) -> dict[str, str]:
    """The first problem of each stack. A problem in no server's file counts as the environment's."""
    owners = {}
    for server in project.members_of(environment):
        stack = f"{environment}.{server}"
        owners[str(project.stack_file(stack))] = stack
        owners[str(project.lock_file(stack))] = stack
    by_stack: dict[str, str] = {}
    for problem in problems:
        file = problem.file or ""
        path, _, line = file.rpartition(":")
        by_stack.setdefault(owners.get(path if line.isdigit() else file, environment), str(problem))
    return by_stack


def _environment_facts(loaded: EnvironmentStack, kinds: list[str]) -> dict[str, Any]:
    settings = loaded.settings
    return {
        "production": settings.production,
        "topology": settings.topology,
        "zone": settings.cloudflare.zone,
        "hosts": sorted(settings.hosts),
        "agents": sorted(settings.agents),
        "servers": kinds.count("server"),
        "models": kinds.count("model route"),
    }


def _model_facts(stack: ModelStack) -> dict[str, Any]:
    manifest = stack.manifest
    return {
        "hostname": manifest.hostname,
        "host": manifest.host,
        "guard_port": manifest.guard_port,
        "oauth": manifest.oauth.mode,
        "models": sorted(manifest.models),
        "models_granted": sorted(granted_models(manifest)),
        "access_policies": _policies(stack),
    }


def _policies(stack: ServerStack | ModelStack) -> int:
    return len({key for keys in server_policies(stack.settings, stack.manifest).values() for key in keys})


def _server_facts(stack: ServerStack) -> dict[str, Any]:
    manifest = stack.manifest
    return {
        "hostname": manifest.hostname,
        "host": manifest.host,
        "guard_port": manifest.guard_port,
        "oauth": manifest.oauth.mode,
        "tools_locked": len(stack.lock.tools),
        "tools_granted": len(granted(manifest.grants, stack.lock.tools)),
        "access_policies": _policies(stack),
    }


def _zone_row(project: Project, name: str) -> InventoryRow:
    row = InventoryRow(f"zone.{name}", "zone", {})
    try:
        zone: ZoneStack = load_zone(project, name)
    except InputError as error:
        problems = error.problems if isinstance(error, InputErrors) else [error]
        return replace(row, error=str(problems[0]))
    return replace(
        row,
        facts={
            "zone": zone.manifest.cloudflare.zone,
            "hostnames": [hostname for rule in zone.manifest.rules for hostname in rule.hostnames],
            "countries": sorted({country for rule in zone.manifest.rules for country in rule.countries}),
        },
    )
