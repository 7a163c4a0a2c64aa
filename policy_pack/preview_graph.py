"""Turning the engine's analyzer messages into the graph that rules read. Pure.

The engine shows every resource twice: first its checked inputs, one by one (`Analyze`), then all of them with outputs and
dependencies (`AnalyzeStack`). The graph takes the inputs from the first and everything else from the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from components.documents import DOCUMENTS
from plan.graph import STACK_TYPE, Graph, Resource
from plan.values import Json, from_struct, unknown

if TYPE_CHECKING:
    from pulumi.runtime.proto.analyzer_pb2 import AnalyzerResource

#: Inputs that hold an id the provider gave. Offline they are symbols; here the dependency says which resource is meant.
_IDS: Final = ("content",)


def to_graph(
    project: str, stack: str, resources: Iterable[AnalyzerResource], inputs: Mapping[str, Mapping[str, Json]]
) -> Graph:
    """The graph of a real preview or update.

    Args:
        inputs: by URN, what `Analyze` was shown; a resource it was not shown is judged by its outputs.
    """
    nodes: list[Resource] = []
    outputs: dict[str, Json] = {}
    for message in resources:
        shown = from_struct(message.properties)
        for name, key in DOCUMENTS.get(message.type, {}).items():
            outputs[key] = shown.get(name, unknown())
        # What the stack itself exports no rule reads.
        nodes.append(_resource(message, {} if message.type == STACK_TYPE else inputs.get(message.urn, shown)))
    return Graph.build(project, stack, nodes, outputs)


def _resource(message: AnalyzerResource, inputs: Mapping[str, Json]) -> Resource:
    links = {
        key: tuple(sorted(set(message.propertyDependencies[key].urns)))
        for key in sorted(message.propertyDependencies)
        if message.propertyDependencies[key].urns
    }
    options: dict[str, Any] = {}
    if message.options.additionalSecretOutputs:
        options["additional_secret_outputs"] = sorted(message.options.additionalSecretOutputs)
    return Resource(
        urn=message.urn,
        type=message.type,
        name=message.name,
        custom=not message.type.startswith("ringwall:") and message.type != STACK_TYPE,
        inputs={key: unknown() if key in _IDS and key in links else value for key, value in inputs.items()},
        parent=message.parent or None,
        dependencies=tuple(sorted(set(message.dependencies))),
        property_dependencies=links,
        provider=message.provider.urn or None,
        protect=message.options.protect,
        options=options,
    )
