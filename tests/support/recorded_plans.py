"""Small programs as the recorder writes them down."""

from __future__ import annotations

from collections.abc import Callable

import pulumi
import pulumi.runtime

from plan.graph import Graph, Resource
from plan.recorder import record

SECRET = {"$secret": True}

UNKNOWN = {"$unknown": True}


class Leaf(pulumi.CustomResource):
    """A custom resource of no provider; every input is echoed as an output."""

    def __init__(self, name: str, props: dict[str, object] | None = None, opts: pulumi.ResourceOptions | None = None):
        super().__init__("test:index:Leaf", name, dict(props or {}), opts)


class Box(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: object) -> None:
        super().__init__("test:index:Box", name, props, opts)
        self.register_outputs({})


def plan(program: Callable[[], object], **options: object) -> Graph:
    settings: dict[str, object] = {"project": "proj", "stack": "dev", **options}
    return record(program, **settings)  # type: ignore[arg-type]


def named(graph: Graph, name: str) -> Resource:
    (match,) = [resource for resource in graph.resources if resource.name == name]
    return match


def output(graph: Graph) -> object:
    return graph.outputs["value"]


def kong_service() -> None:
    import pulumi_kong as kong

    service = kong.Service("api", protocol="http", host="127.0.0.1", port=9010)
    Leaf("leaf", {"id": service.id, "name": service.name, "path": service.path, "retries": service.retries})


def tag(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    if args.type_ != "test:index:Leaf":
        return None
    props = {**args.props, "trail": f"{args.props.get('trail', '')}{args.name}"}
    return pulumi.ResourceTransformResult(props, pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions()))
