"""A plan on one screen: what stands in each ring, with host names, policies, limits and grants.

Every resource with its inputs is in `plan.render`.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable

from model.resource_types import is_resource
from model.text import counted, wrapped
from plan.graph import Graph
from plan.rings import RINGS, protections, ring_of


def to_summary(graph: Graph, full: str) -> str:
    """The summary; `full` is the command that shows everything."""
    resources = [resource for resource in graph.resources if is_resource(resource.type)]
    rings = Counter(ring_of(resource.type) for resource in resources)
    rows = protections((resource.type, resource.inputs) for resource in resources)
    internal = len(graph.resources) - len(resources)
    lines = [
        f"Offline plan of {graph.project}/{graph.stack}: {counted(len(resources), 'resource')}",
        "This is what the files declare, not a diff: nothing real was asked.",
    ]
    for ring in RINGS:
        if not rings[ring] and not any(row.ring == ring for row in rows):
            continue
        lines += ["", f"{ring}: {counted(rings[ring], 'resource')}"]
        for row in rows:
            if row.ring == ring:
                lines += wrapped(f"{row.control}: {row.detail}", "  ", "      ")
    remainder = [f"{counted(rings[None], 'component')} that holds the others"] if rings[None] == 1 else []
    remainder += [f"{counted(rings[None], 'component')} that hold the others"] if rings[None] > 1 else []
    remainder += [f"not counted: {internal} of Pulumi's own (stack, providers, references)"] if internal else []
    lines += ["", *textwrap.wrap(f"Also {'; '.join(remainder)}.", 80)] if remainder else []
    return "\n".join([*lines, f"Every resource with its inputs: {full}"]) + "\n"


def by_ring(resources: Iterable[tuple[str, str]]) -> list[str]:
    """A line per ring that names the resources it gets, out of ``(type token, name)`` pairs."""
    names: dict[str, list[str]] = {}
    for token, name in resources:
        names.setdefault(ring_of(token) or "perimeter", []).append(f"{name} {token.rsplit(':', 1)[-1]}")
    return [
        line
        for ring in (*RINGS, "perimeter")
        if ring in names
        for line in wrapped(f"+ {ring}: {', '.join(sorted(names[ring]))}", "  ", "      ")
    ]
