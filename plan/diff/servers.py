"""Compares the base and the head of one server: its settings, doors, grants and tool lock.

Environments and zones are compared in `plan.diff.compare`; what the single changes mean is decided in `semantic`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.loader import walk as leaves
from model.stacks import EnvironmentStack, ServerStack
from plan.diff.model import Change, Direction, StackDiff, change
from plan.diff.pairs import STILL_DEPLOYED, Pair
from plan.diff.semantic.access import Door, compare_access, doors
from plan.diff.semantic.clients import Clients, client_lines, clients_of, compare_clients
from plan.diff.semantic.exceptions import compare_waivers, dump_waivers
from plan.diff.semantic.finding_exceptions import compare_finding_exceptions
from plan.diff.semantic.grants import EVERYONE, Rights, compare_grants, matrix, rights
from plan.diff.semantic.keys import compare_keys
from plan.diff.semantic.stack_settings import compare_stack_settings
from plan.diff.semantic.tools import compare_locks


def compare_server(
    base_environment: EnvironmentStack | None,
    head_environment: EnvironmentStack | None,
    name: str,
    environment_status: str,
    *,
    every: bool,
) -> list[Pair]:
    """The pair of one server, with its changes; none where nothing of it changed.

    Args:
        environment_status: of the environment's pair. Where that is ``unreadable``, the server is too.
        every: make a pair of an unchanged server as well, as the code that plans it may have changed.
    """
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
        dump_waivers(base_server.manifest if base_server else None),
        dump_waivers(head_server.manifest if head_server else None),
    )
    settings_changes += compare_finding_exceptions(stack, _exceptions(base_manifest), _exceptions(head_manifest))
    if not every and same_settings and same_lock and base_manifest == head_manifest and not settings_changes:
        return []
    base_view, head_view = _View.resolve(base_environment, name), _View.resolve(head_environment, name)
    rights_matrix = matrix(base_view.rights, head_view.rights, base_view.risks, head_view.risks)
    if environment_status == "unreadable":
        unread_matrix = matrix(base_view.rights, base_view.rights, base_view.risks, base_view.risks)
        return [Pair(StackDiff(stack, "server", "unreadable", matrix=unread_matrix), None, None, stack)]
    status = "changed" if base_server and head_server else "removed" if base_server else "new"
    change_key = _change_key(base_manifest, head_manifest) if base_server and head_server else stack
    pair = Pair(StackDiff(stack, "server", status, matrix=rights_matrix), base_server, head_server, change_key)
    pair.changes += settings_changes
    open_tools = sorted(n for kind, n in head_view.rights.get(EVERYONE, {}) if kind == "tool")
    pair.changes += compare_access(stack, base_view.doors, head_view.doors, open_tools)
    pair.changes += compare_grants(stack, base_view.rights, head_view.rights, base_view.risks, head_view.risks)
    if base_server and head_server:
        granted = {primitive for primitives in head_view.rights.values() for primitive in primitives}
        pair.changes += compare_clients(stack, base_view.clients, head_view.clients)
        pair.changes += compare_keys("server", stack, base_manifest, head_manifest)
        pair.changes += compare_locks(stack, base_server.lock, head_server.lock, granted)
        pair.changes += _rewritten(stack, base_manifest, head_manifest, pair.changes)
    if status == "new" and head_server is not None:
        manifest = head_server.manifest
        lines = (
            f"host {manifest.host}",
            f"sign-in: {manifest.oauth.mode}",
            f"guard engines: {', '.join(manifest.guard.engines.names)}",
            *client_lines(head_view.clients),
        )
        title = f"new server, public at {', '.join(manifest.hostnames)}"
        pair.changes.append(change("stack-new", Direction.LOOSENS, 92, stack, "edge", title, lines))
    elif status == "removed" and base_server is not None:
        title = f"the server is removed; {', '.join(base_server.manifest.hostnames)} is no longer declared"
        pair.changes.append(change("stack-removed", Direction.TIGHTENS, 50, stack, "edge", title, STILL_DEPLOYED))
    return [pair]


@dataclass(frozen=True)
class _View:
    """One side of a server with its groups and grants resolved; empty where that side does not have it."""

    doors: dict[str, Door]
    rights: Rights
    risks: dict[str, str]
    clients: Clients

    @classmethod
    def resolve(cls, environment: EnvironmentStack | None, name: str) -> _View:
        if environment is None or name not in environment.servers:
            return cls({}, {}, {}, {})
        server = environment.servers[name]
        return cls(
            doors(environment.settings, server.manifest),
            rights(server),
            {tool.name: tool.risk for tool in server.lock.tools},
            clients_of(server.manifest),
        )


def _manifest(server: ServerStack) -> dict[str, Any]:
    document = server.manifest.dump()
    document["guard_admin_port"] = server.manifest.admin_port
    return document


def _exceptions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    exceptions: list[dict[str, Any]] = manifest.get("guard", {}).get("exceptions", [])
    return exceptions


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
