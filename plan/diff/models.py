"""Compares the base and the head of one model route: its doors, who may use which model for how much, and its settings.

Servers are compared in `plan.diff.servers`; what the single changes mean is decided in `semantic`.
"""

from __future__ import annotations

from typing import Any

from model.guardless import LOST
from model.stacks import EnvironmentStack, ModelStack, has_guard
from plan.diff.model import Change, Direction, StackDiff, change
from plan.diff.pairs import STILL_DEPLOYED, Pair
from plan.diff.semantic.access import compare_access, doors
from plan.diff.semantic.clients import client_lines, clients_of, compare_clients
from plan.diff.semantic.exceptions import compare_waivers, dump_waivers
from plan.diff.semantic.finding_exceptions import compare_finding_exceptions
from plan.diff.semantic.grants import EVERYONE, compare_grants, matrix
from plan.diff.semantic.keys import compare_keys
from plan.diff.semantic.models import model_rights, providers_of
from plan.diff.semantic.stack_settings import compare_stack_settings
from plan.grant_words import budget_words


def compare_model(
    base_environment: EnvironmentStack | None,
    head_environment: EnvironmentStack | None,
    name: str,
    environment_status: str,
    *,
    every: bool,
) -> list[Pair]:
    """The pair of one model route, with its changes; none where nothing of it changed. Arguments as in `compare_server`."""
    base = base_environment.models.get(name) if base_environment else None
    head = head_environment.models.get(name) if head_environment else None
    route = head or base
    if route is None:
        return []
    stack = route.stack
    base_manifest, head_manifest = (_manifest(side) if side else {} for side in (base, head))
    settings = compare_stack_settings(stack, base.document, head.document) if base and head else []
    settings += compare_waivers(
        stack, dump_waivers(base.manifest if base else None), dump_waivers(head.manifest if head else None)
    )
    settings += compare_finding_exceptions(stack, _exceptions(base_manifest), _exceptions(head_manifest))
    same_environment = (
        base_environment is not None
        and head_environment is not None
        and base_environment.digest == head_environment.digest
    )
    if not every and same_environment and base_manifest == head_manifest and not settings:
        return []
    base_rights, head_rights = (model_rights(side) if side else {} for side in (base, head))
    base_models, head_models = (providers_of(side) if side else {} for side in (base, head))
    table = matrix(base_rights, head_rights, base_models, head_models)
    if environment_status == "unreadable":
        unread = matrix(base_rights, base_rights, base_models, base_models)
        return [Pair(StackDiff(stack, "model", "unreadable", matrix=unread), None, None, stack)]
    status = "changed" if base and head else "removed" if base else "new"
    pair = Pair(StackDiff(stack, "model", status, matrix=table), base, head, stack)
    pair.changes += settings
    everyone_may = sorted(model for _, model in head_rights.get(EVERYONE, {}))
    base_doors, head_doors = (doors(side.settings, side.manifest) if side else {} for side in (base, head))
    pair.changes += compare_access(stack, base_doors, head_doors, everyone_may)
    pair.changes += compare_grants(stack, base_rights, head_rights, base_models, head_models)
    if base and head:
        pair.changes += compare_clients(stack, clients_of(base.manifest), clients_of(head.manifest))
        pair.changes += (leg := _guard_leg(stack, base, head))
        if leg:
            base_manifest, head_manifest = _without_guard(base_manifest), _without_guard(head_manifest)
        pair.changes += compare_keys("model", stack, base_manifest, head_manifest)
    elif head:
        manifest = head.manifest
        lines = (
            *(f"prompts for {model} go to {target}" for model, target in sorted(head_models.items())),
            f"each principal: {budget_words(manifest.limits.principal.dump()) or 'no budget'}",
            f"all together: {budget_words(manifest.limits.all.dump()) or 'no budget'}",
            f"host {manifest.host}",
            f"sign-in: {manifest.oauth.mode}",
            f"guard engines: {', '.join(manifest.guard.engines.names)}" if manifest.guard else "no guard, so:",
            *(() if manifest.guard else LOST),
            *client_lines(clients_of(manifest)),
        )
        title = f"new model route, public at {', '.join(manifest.hostnames)}"
        pair.changes.append(change("stack-new", Direction.LOOSENS, 92, stack, "edge", title, lines))
    elif base:
        title = f"the model route is removed; {', '.join(base.manifest.hostnames)} is no longer declared"
        pair.changes.append(change("stack-removed", Direction.TIGHTENS, 50, stack, "edge", title, STILL_DEPLOYED))
    return [pair]


def _manifest(stack: ModelStack) -> dict[str, Any]:
    return {**stack.manifest.dump(), "guard_admin_port": stack.manifest.admin_port}


def _exceptions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    guard = manifest.get("guard")
    exceptions: list[dict[str, Any]] = guard["exceptions"] if isinstance(guard, dict) else []
    return exceptions


def _guard_leg(stack: str, base: ModelStack, head: ModelStack) -> list[Change]:
    """The change where one side alone has a guard; the guard's keys say nothing then."""
    if has_guard(base) == has_guard(head):
        return []
    if has_guard(head):
        return [change("model.guard", Direction.TIGHTENS, 90, stack, "guard", "a guard stands before the models")]
    title = "no guard stands before the models any more: Kong alone does"
    return [change("model.guard", Direction.LOOSENS, 95, stack, "guard", title, LOST)]


def _without_guard(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key != "guard" and not key.startswith("guard_")}
