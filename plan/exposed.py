"""What the proofs of `plan.exposure` and `plan.portal_exposure` read off resources, and the finding they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plan.findings import Finding, Severity
from plan.graph import Graph, Resource
from plan.values import symbol


def exposed(rule: str, resource: Resource, message: str, remedy: str) -> Finding:
    kind = resource.type.rsplit(":", 1)[-1]
    return Finding(f"exposure-{rule}", Severity.ERROR, resource.urn, f"{kind} {resource.name} {message}", remedy)


def app_hosts(app: Resource) -> Iterator[str]:
    destinations = app.inputs.get("destinations")
    uris = [
        destination.get("uri")
        for destination in (destinations if isinstance(destinations, list) else [])
        if isinstance(destination, Mapping) and destination.get("type", "public") == "public"
    ]
    for host in (app.inputs.get("domain"), *uris):
        if isinstance(host, str) and "/" not in host:
            yield host


def linked(graph: Graph, resource: Resource, key: str, token: str) -> list[Resource]:
    """The resources of a type whose outputs an input depends on; only the one that its symbolic id names, where it does."""
    targets = [
        target
        for urn in resource.property_dependencies.get(key, ())
        if (target := graph.get(urn)) is not None and target.type == token
    ]
    exact = [target for target in targets if resource.inputs.get(key) == symbol(target.name, "id")]
    return exact or targets
