"""The unfinished operations in a stack's recorded state, and the edits that resolve them. Pure.

The engine writes an operation into `pending_operations` before it asks a provider, and takes it out with the answer
(pkg/engine/snapshot_manager.go). A refresh drops the pending ones but for creates, `stack import` drops all of them
(pkg/cmd/pulumi/stack/stack_import.go).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.repair.kinds import SHAPES, Kind, kind_of, own_id

Deployment = Mapping[str, Any]
#: Between an object's own name and its id, where one is recorded only to be removed.
STRAY = "~stray-"
_WORDS = {"creating": "create", "updating": "update", "deleting": "delete", "reading": "read", "importing": "import"}


@dataclass(frozen=True)
class Pending:
    """An operation that was begun and not finished. `kind` is None for types that no provider has (components, providers).

    `recorded`: an adoption that was itself interrupted left a record without outputs.
    """

    operation: str
    urn: str
    type: str
    resource: Mapping[str, Any]
    recorded: bool = False

    @property
    def kind(self) -> Kind | None:
        return kind_of(self.type) if self.resource.get("custom") else None

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1]

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self.resource.get("inputs") or {}


def pending(deployment: Deployment) -> list[Pending]:
    """Every operation that was begun and has no end, in the engine's order."""
    operations = [
        Pending(
            _WORDS.get(entry["type"], entry["type"]),
            entry["resource"]["urn"],
            entry["resource"]["type"],
            entry["resource"],
        )
        for entry in deployment.get("pending_operations") or ()
    ]
    known = {(operation.urn, operation.operation) for operation in operations}
    return operations + [
        Pending("adopt", resource["urn"], resource["type"], resource, recorded=True)
        for resource in deployment.get("resources") or ()
        if _half_recorded(resource) and (resource["urn"], "create") not in known
    ]


def _half_recorded(resource: Mapping[str, Any]) -> bool:
    return bool(
        resource.get("custom") and resource.get("id") and kind_of(resource["type"]) and not resource.get("outputs")
    )


def recorded_ids(deployment: Deployment, token: str) -> set[str]:
    """Own ids of all recorded objects of a type."""
    return {
        own_id(resource["id"])
        for resource in deployment.get("resources") or ()
        if resource["type"] == token and resource.get("id") and not _half_recorded(resource)
    }


def adopted(deployment: Deployment, objects: Sequence[tuple[Pending, str]]) -> dict[str, Any]:
    """The state with each object recorded under its own URN, by its import id and without outputs: a refresh reads it as
    an import does, and so fills in what the lost answer said.

    The old record of a replacement becomes what the engine would have made of it: it is dropped if the old object was
    deleted first, and marked for deletion if it was not.
    """
    result = copy.deepcopy(dict(deployment))
    resources: list[dict[str, Any]] = result.setdefault("resources", [])
    for operation, id in objects:
        for old in [
            resource for resource in resources if resource["urn"] == operation.urn and not resource.get("delete")
        ]:
            if old.get("pendingReplacement") or _half_recorded(old):
                resources.remove(old)
            else:
                old["delete"] = True
        resources.append({**copy.deepcopy(dict(operation.resource)), "id": id, "outputs": {}})
    result["resources"] = _ordered(resources)
    return result


def _ordered(resources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources in their order, each moved behind what it depends on, as the engine demands (deploy/snapshot.go)."""
    present = {resource["urn"] for resource in resources}
    waiting, result = list(resources), []
    known: set[str] = set()
    while waiting:
        following = next((resource for resource in waiting if _needs(resource) & present <= known), waiting[0])
        waiting.remove(following)
        result.append(following)
        known.add(following["urn"])
    return result


def _needs(resource: Mapping[str, Any]) -> set[str]:
    properties = resource.get("propertyDependencies") or {}
    urns = {*(resource.get("dependencies") or ()), *(urn for urns in properties.values() for urn in urns or ())}
    if resource.get("parent"):
        urns.add(resource["parent"])
    if resource.get("provider"):
        urns.add(resource["provider"].rpartition("::")[0])
    return urns - {resource["urn"]}


@dataclass(frozen=True)
class Strays:
    """A state that also records objects to be deleted: their URNs, and the URNs of providers added to delete them with."""

    state: dict[str, Any]
    urns: tuple[str, ...]
    providers: tuple[str, ...]


def with_strays(
    deployment: Deployment, objects: Sequence[tuple[Pending, str]], providers: Sequence[Mapping[str, Any]] = ()
) -> Strays:
    """The state with each object recorded under a URN that no program declares, so that the next run deletes it.

    Those of `providers` are recorded as well that an object needs and the state no longer has.
    """
    result = copy.deepcopy(dict(deployment))
    resources: list[dict[str, Any]] = result.setdefault("resources", [])
    urns, added = [], []
    for operation, id in objects:
        resource = copy.deepcopy(dict(operation.resource))
        for key in ("parent", "dependencies", "propertyDependencies", "protect", "retainOnDelete"):
            resource.pop(key, None)
        for provider in providers:
            if _refers(resource, provider) and not any(record["urn"] == provider["urn"] for record in resources):
                resources.append({key: value for key, value in provider.items() if key != "parent"})
                added.append(provider["urn"])
        stack = "::".join(operation.urn.split("::")[:2])
        resource |= {
            "urn": f"{stack}::{resource['type']}::{operation.name}{STRAY}{own_id(id)[:8]}",
            "id": id,
            "outputs": {},
        }
        resources.append(resource)
        urns.append(resource["urn"])
    return Strays(result, tuple(urns), tuple(added))


def provider_of(deployment: Deployment, operation: Pending) -> Mapping[str, Any] | None:
    """The recorded provider of an operation's resource."""
    resources = deployment.get("resources") or ()
    return next((resource for resource in resources if _refers(operation.resource, resource)), None)


def _refers(resource: Mapping[str, Any], provider: Mapping[str, Any]) -> bool:
    """A resource names its provider as ``<urn>::<id>``."""
    return bool(resource.get("provider") == f"{provider['urn']}::{provider.get('id')}")


def import_id(operation: Pending, id: str) -> str:
    """The id that the provider plugin imports the object by."""
    kind = operation.kind
    return id if kind is None else SHAPES[kind].imported(operation.inputs, id)
