"""Taking over resources that exist: which resource of the plan it becomes, and the program that imports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.program import Loaded
from model.errors import InputError
from model.project import EnvironmentStack, Project, ZoneStack
from plan.graph import Graph

TYPES = {
    "tunnel": "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
    "application": "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication",
    "ruleset": "cloudflare:index/ruleset:Ruleset",
}


@dataclass(frozen=True)
class Import:
    """`id` is in the provider's import form (``<account>/<tunnel>``); `targets` are the resource and what it needs."""

    name: str
    type: str
    urn: str
    id: str
    targets: tuple[str, ...]


def import_plan(graph: Graph, loaded: Loaded, kind: str, id: str, hostname: str | None) -> Import:
    """Find the one resource of the plan that `id` becomes; raises `InputError` when it is none or several."""
    token = TYPES[kind]
    found = list(graph.by_type(token))
    if hostname is not None:
        found = [
            resource for resource in found if hostname in str(resource.inputs.get("destinations", resource.inputs))
        ]
    if len(found) != 1:
        names = ", ".join(resource.name for resource in found) or "none"
        raise InputError(
            f"the stack has {len(found)} resources of kind {kind} ({names})", remedy="name one with --hostname"
        )
    resource = found[0]
    needed = sorted({resource.urn, *graph.ancestors(resource.urn)})
    return Import(resource.name, token, resource.urn, _import_id(loaded, kind, id), tuple(needed))


def _import_id(loaded: Loaded, kind: str, id: str) -> str:
    if "/" in id:
        return id
    if isinstance(loaded, ZoneStack):
        return f"zones/{loaded.manifest.cloudflare.zone_id}/{id}"
    environment = loaded if isinstance(loaded, EnvironmentStack) else loaded[0]
    account = environment.settings.cloudflare.account_id
    return f"{account}/{id}" if kind == "tunnel" else f"accounts/{account}/{id}"


def importing_program(project: Project, stack: str, wanted: Import) -> Callable[[], None]:
    """The stack's own program, with Pulumi's `import` option set on that one resource."""

    def program() -> None:
        import pulumi

        from components.program import run_or_refuse

        def take_over(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
            if args.type_ != wanted.type or args.name != wanted.name:
                return None
            options = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(import_=wanted.id))
            return pulumi.ResourceTransformResult(props=args.props, opts=options)

        pulumi.runtime.register_resource_transform(take_over)
        run_or_refuse(project, stack)

    return program
