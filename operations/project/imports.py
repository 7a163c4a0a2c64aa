"""`ringwall import`: which resource of the plan an existing object becomes, and the program that imports it.

The engine is driven by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.repair.kinds import SHAPES, Kind
from model.errors import InputError
from model.project import Project
from plan.graph import Graph, Resource


@dataclass(frozen=True)
class Import:
    """The import of one object. `id` is in the provider's form (``<account>/<tunnel>``); `targets` are the URNs of the
    resource and of all that it depends on."""

    name: str
    type: str
    urn: str
    id: str
    targets: tuple[str, ...]


def import_plan(graph: Graph, kind: Kind, id: str, *, name: str | None = None, hostname: str | None = None) -> Import:
    """Find the one resource of the plan that `id` becomes; raises `InputError` when none or several fit.

    Args:
        name: the resource's name in the plan, or its object's at the provider.
        hostname: a public host name in the resource's settings.
    """
    shape = SHAPES[kind]
    resources = [resource for resource in graph.by_type(shape.token) if _matches(resource, shape.label, name, hostname)]
    if len(resources) != 1:
        names = ", ".join(resource.name for resource in resources or graph.by_type(shape.token)) or "none"
        raise InputError(
            f"the stack has {len(resources)} such resources of kind {kind.value} (of this kind: {names})",
            remedy="name one with --name or --hostname",
        )
    resource = resources[0]
    needed = sorted({resource.urn, *graph.ancestors(resource.urn)})
    return Import(resource.name, shape.token, resource.urn, _import_id(kind, resource.inputs, id), tuple(needed))


def _matches(resource: Resource, label: str, name: str | None, hostname: str | None) -> bool:
    if name is not None and name not in (resource.name, resource.inputs.get(label)):
        return False
    naming = {key: value for key, value in resource.inputs.items() if key in ("destinations", "hosts", "name")}
    return hostname is None or hostname in str(naming or resource.inputs)


def _import_id(kind: Kind, inputs: Mapping[str, Any], id: str) -> str:
    imported_id = SHAPES[kind].imported(inputs, id)
    if "${" in imported_id:  # an id of the plan that only the engine knows
        form = SHAPES[kind].import_id.replace("{upstreamId}", "UPSTREAM").replace("{consumerId}", "CONSUMER")
        raise InputError(
            f"a {kind.value} is imported by two ids, got {id}",
            remedy=f"give {form.replace('{id}', kind.value.upper())}",
        )
    return imported_id


def importing_program(project: Project, stack: str, target: Import) -> Callable[[], None]:
    """The stack's own program, with Pulumi's `import` option set on that one resource."""

    def program() -> None:
        import pulumi

        from plan.program import run_or_refuse

        def take_over(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
            if args.type_ != target.type or args.name != target.name:
                return None
            options = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(import_=target.id))
            return pulumi.ResourceTransformResult(props=args.props, opts=options)

        pulumi.runtime.register_resource_transform(take_over)
        run_or_refuse(project, stack)

    return program
