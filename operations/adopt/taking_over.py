"""Takes existing objects into a stack's state as they are: one engine run, whole or undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.checkpoint import recorded
from engine.repair.kinds import SHAPES, Kind
from engine.run import Run, fail_on_error
from engine.runs import execute_all
from engine.workspace import Target, workspace
from model.errors import InputError, RingwallError
from operations.adopt.differences import Adoption, adoption
from operations.adopt.existing import Existing
from plan.graph import STACK_TYPE, Graph

#: In the order in which one needs the other's id.
ORDER = (Kind.tunnel, Kind.application, Kind.ingress, Kind.record, Kind.service, Kind.route)


def adoptions(graph: Graph, existing: Existing) -> tuple[Adoption, ...]:
    """Which resource of the plan each object becomes.

    Raises:
        InputError: the plan has no such resource for this host name, or several.
    """
    known: dict[str, str] = {}
    objects = []
    for kind in ORDER:
        item = existing.objects.get(kind)
        if item is None:
            continue
        resources = graph.by_type(SHAPES[kind].token)
        if len(resources) != 1:
            raise InputError(
                f"the stack has {len(resources)} resources of kind {kind.value}",
                remedy=f"take over each with `ringwall import {graph.stack} {kind.value} ID --name NAME`",
            )
        (resource,) = resources
        for key in ("id", "aud"):
            if key in item:
                known[f"${{{resource.name}.{key}}}"] = str(item[key])
        objects.append(adoption(kind, resource, item, known))
    return tuple(objects)


def refuse_recorded(target: Target, stack: str) -> None:
    """Refuse a stack that has resources: it was brought up, and has objects of its own."""
    if target.holds(stack) is False:
        return
    resources = recorded(target, stack).get("resources") or []
    if any(resource.get("custom") and not resource["type"].startswith("pulumi:") for resource in resources):
        raise InputError(
            f"{stack} is deployed, so it has objects of its own",
            remedy="take over single ones, as `ringwall help import` says",
        )


def take_over(target: Target, graph: Graph, objects: Sequence[Adoption]) -> Run:
    """Record the objects in the stack's state as they are; nothing at the providers changes.

    Raises:
        EngineFailed: an object cannot be read, or is not what its resource is; the state is as it was before.
    """
    run, program = Run(graph.stack, "up", expected=len(objects)), _program(graph, objects)
    try:
        with target.progress.running([run]):
            execute_all(target, [run], program_of=lambda _: program)
        fail_on_error([run])
    except (RingwallError, KeyboardInterrupt):
        _forget(target, graph.stack)
        raise
    return run


def _program(graph: Graph, objects: Sequence[Adoption]) -> Callable[[], None]:
    """Declares the adopted resources alone, in their places in the plan, each imported with the settings that it has.

    The stack's own program would wait for policies that the environment does not have before its next `up`.
    """

    def program() -> None:
        import pulumi

        declared: dict[str, pulumi.Resource] = {}

        def above(urn: str | None) -> pulumi.Resource | None:
            resource = graph.get(urn) if urn is not None else None
            if resource is None or resource.type == STACK_TYPE:
                return None
            if resource.urn not in declared:
                options = pulumi.ResourceOptions(parent=above(resource.parent))
                declared[resource.urn] = pulumi.ComponentResource(
                    resource.type, resource.name, dict(resource.inputs), options
                )
            return declared[resource.urn]

        for item in objects:
            resource = item.resource
            if resource.provider not in declared:
                declared[str(resource.provider)] = _provider(graph, str(resource.provider))
            secret = resource.options.get("additional_secret_outputs")
            options = pulumi.ResourceOptions(
                parent=above(resource.parent),
                provider=declared[str(resource.provider)],  # type: ignore[arg-type]
                import_=item.id,
                ignore_changes=["*"],
                protect=resource.protect,
                additional_secret_outputs=[str(name) for name in secret] if isinstance(secret, list) else None,
            )
            pulumi.CustomResource(resource.type, resource.name, dict(resource.inputs), options)

    return program


def _provider(graph: Graph, urn: str) -> Any:
    from components.providers import cloudflare_provider, kong_provider

    resource = graph.get(urn)
    if resource is None:
        raise TypeError(f"{urn} is no provider of the plan")
    inputs, name = resource.inputs, resource.name
    if resource.type.endswith(":kong"):
        workspace = inputs.get("kongWorkspace")
        return kong_provider(str(inputs["kongAdminUri"]), str(workspace) if workspace is not None else None, name)
    return cloudflare_provider(str(inputs["baseUrl"]), name)


def _forget(target: Target, stack: str) -> None:
    """Take the stack out of the backend again: it held nothing before."""
    if target.holds(stack) is False:
        return
    with workspace(target, stack, file_needed=False) as selected:
        selected.workspace.remove_stack(stack, force=True, preserve_config=True)
