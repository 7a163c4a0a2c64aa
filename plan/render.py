"""A plan as JSON, which can be read back, and as text for a terminal.

Both are the same bytes for the same graph on every machine: sorted, no times, no absolute paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.errors import InputError
from model.resource_types import is_resource
from model.text import counted
from plan.graph import VERSION, Graph, Resource, Source
from plan.values import Json, is_secret, is_unknown


def to_json(graph: Graph) -> str:
    """The graph as JSON: sorted keys, two spaces, a newline at the end. `from_json` reads it back."""
    document = {
        "version": graph.version,
        "project": graph.project,
        "stack": graph.stack,
        "resources": [_as_json(resource) for resource in graph.resources],
        "outputs": graph.outputs,
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _as_json(resource: Resource) -> dict[str, Json]:
    document: dict[str, Json] = {
        "urn": resource.urn,
        "type": resource.type,
        "name": resource.name,
        "custom": resource.custom,
        "inputs": resource.inputs,
        "dependencies": list(resource.dependencies),
        "propertyDependencies": {key: list(urns) for key, urns in resource.property_dependencies.items()},
        "protect": resource.protect,
        "options": resource.options,
    }
    if resource.parent:
        document["parent"] = resource.parent
    if resource.provider:
        document["provider"] = resource.provider
    if resource.source:
        document["source"] = {"file": resource.source.file, "line": resource.source.line}
    return document


def from_json(text: str) -> Graph:
    """The graph `to_json` wrote. Raises `InputError` for other JSON and for another version."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError(f"this is no plan: {error}", remedy="write it with `ringwall plan STACK --json`") from error
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION:
        raise InputError(
            f"this plan has version {version!r}, not {VERSION}", remedy="write it again with this version of Ringwall"
        )
    try:
        resources = [_from_json(item) for item in document["resources"]]
        return Graph.build(document["project"], document["stack"], resources, document["outputs"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"this plan is incomplete ({error!r})", remedy="write it again with this version of Ringwall"
        ) from error


def _from_json(item: Mapping[str, Any]) -> Resource:
    source = item.get("source")
    return Resource(
        urn=item["urn"],
        type=item["type"],
        name=item["name"],
        custom=item["custom"],
        inputs=item["inputs"],
        parent=item.get("parent"),
        dependencies=tuple(item["dependencies"]),
        property_dependencies={key: tuple(urns) for key, urns in item["propertyDependencies"].items()},
        provider=item.get("provider"),
        protect=item["protect"],
        options=item["options"],
        source=Source(source["file"], source["line"]) if source else None,
    )


def to_text(graph: Graph) -> str:
    """The graph for a terminal: components as a tree, the inputs of each resource below it.

    JSON inside strings (a Kong plugin's `configJson`) is shown expanded. Control and direction characters are
    escaped, so that a value cannot repaint the reviewer's terminal.
    """
    count = sum(is_resource(resource.type) for resource in graph.resources)
    lines = [
        f"Offline plan of {graph.project}/{graph.stack}: {counted(count, 'resource')}",
        "This is the desired state the program declares, not a diff against the cloud: no provider was asked.",
    ]
    known = {resource.urn for resource in graph.resources}
    tops = [resource for resource in graph.resources if resource.parent not in known]
    for resource in _by_name(tops):
        lines += ["", *_tree(graph, resource, 0)]
    if graph.outputs:
        lines += ["", "outputs", *_mapping(graph.outputs, 1)]
    return "\n".join(lines) + "\n"


def _by_name(resources: Iterable[Resource]) -> list[Resource]:
    return sorted(resources, key=lambda resource: (resource.name, resource.type))


def _tree(graph: Graph, resource: Resource, depth: int) -> Iterator[str]:
    flags = [flag for flag, is_set in (("component", not resource.custom), ("protected", resource.protect)) if is_set]
    label = f"  [{', '.join(flags)}]" if flags else ""
    place = f"  ({_plain(resource.source.file)}:{resource.source.line})" if resource.source else ""
    yield f"{'  ' * depth}+ {_plain(resource.name)}  {_plain(resource.type)}{label}{place}"
    if resource.options:
        yield f"{'  ' * (depth + 2)}options:"
        yield from _mapping(resource.options, depth + 3)
    yield from _mapping(resource.inputs, depth + 2)
    for child in _by_name(graph.children(resource.urn)):
        yield from _tree(graph, child, depth + 1)


def _mapping(values: Mapping[str, Json], depth: int) -> Iterator[str]:
    for key in sorted(values):
        yield from _entry(f"{_plain(key)}:", values[key], depth)


def _entry(label: str, value: Json, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, str) and (inner := _embedded(value)) is not None:
        label, value = f"{label} (JSON)", inner
    if isinstance(value, Mapping) and value and not (is_secret(value) or is_unknown(value)):
        yield f"{indent}{label}"
        yield from _mapping(value, depth + 1)
    elif isinstance(value, list) and value:
        yield f"{indent}{label}"
        for item in value:
            if isinstance(item, Mapping) and item and not (is_secret(item) or is_unknown(item)):
                first, *following = _mapping(item, depth + 2)
                yield f"{indent}  - {first.lstrip()}"
                yield from following
            else:
                yield from _entry("-", item, depth + 1)
    elif isinstance(value, str) and "\n" in value:
        yield f"{indent}{label} |"
        for line in value.splitlines():
            yield f"{indent}  {_plain(line)}"
    else:
        yield f"{indent}{label} {_leaf(value)}"


def _embedded(text: str) -> Json | None:
    """The object or list a string holds as JSON, else None."""
    if text[:1] not in ("{", "["):
        return None
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _leaf(value: Json) -> str:
    if is_secret(value):
        return "[secret]"
    if is_unknown(value):
        return "[known after the deployment]"
    return _plain(json.dumps(value, ensure_ascii=False))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
