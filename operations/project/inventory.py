"""All stacks that a project's files declare, with their facts or their first error.

An error in one server's files hides no other stack. Nothing deployed is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from components.edge.access import server_policies
from model.errors import InputError, InputErrors
from model.project import Project, load_environment, load_zone
from model.stacks import EnvironmentStack, ServerStack, ZoneStack, environment_of
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
    """All stacks: each environment followed by its servers, then zones, then files without an environment."""
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
            rows.append(InventoryRow(stack, "server", {}, str(error)))
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
    servers = project.servers_of(name)
    if loaded is None:
        consequence = f"its environment {name} is not valid"
        return [
            InventoryRow(name, "environment", {}, errors[name]),
            *(
                InventoryRow(s, "server", {}, errors.get(s, consequence))
                for s in (f"{name}.{server}" for server in servers)
            ),
        ]
    rows = [InventoryRow(name, "environment", _environment_facts(loaded, len(servers)))]
    for server in servers:
        stack = f"{name}.{server}"
        facts = {} if stack in errors else _server_facts(loaded, loaded.servers[server])
        rows.append(InventoryRow(stack, "server", facts, errors.get(stack)))
    return rows


def _by_stack(project: Project, environment: str, problems: Iterable[InputError]) -> dict[str, str]:
    """The first problem of each stack. A problem in no server's file counts as the environment's."""
    owners = {}
    for server in project.servers_of(environment):
        stack = f"{environment}.{server}"
        owners[str(project.stack_file(stack))] = stack
        owners[str(project.lock_file(stack))] = stack
    by_stack: dict[str, str] = {}
    for problem in problems:
        file = problem.file or ""
        path, _, line = file.rpartition(":")
        by_stack.setdefault(owners.get(path if line.isdigit() else file, environment), str(problem))
    return by_stack


def _environment_facts(loaded: EnvironmentStack, servers: int) -> dict[str, Any]:
    settings = loaded.settings
    return {
        "production": settings.production,
        "topology": settings.topology,
        "zone": settings.cloudflare.zone,
        "hosts": sorted(settings.hosts),
        "agents": sorted(settings.agents),
        "servers": servers,
    }


def _server_facts(environment: EnvironmentStack, stack: ServerStack) -> dict[str, Any]:
    manifest = stack.manifest
    policies = {key for keys in server_policies(environment.settings, manifest).values() for key in keys}
    return {
        "hostname": manifest.hostname,
        "host": manifest.host,
        "guard_port": manifest.guard_port,
        "oauth": manifest.oauth.mode,
        "tools_locked": len(stack.lock.tools),
        "tools_granted": len(granted(manifest.grants, stack.lock.tools)),
        "access_policies": len(policies),
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
