"""The plan: every resource that a program declares, and what each depends on.

Pure data: Pulumi is not imported, and what a plan must fulfil is judged in `plan.exposure` and `plan.rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from plan.values import Json

VERSION: Final = 1
STACK_TYPE: Final = "pulumi:pulumi:Stack"


def make_urn(stack: str, project: str, parent: str | None, type_token: str, name: str) -> str:
    """The URN the engine gives a resource: the chain of parent types leaves the stack itself out."""
    chain = urn_types(parent) if parent else ""
    qualified = f"{chain}${type_token}" if chain and chain != STACK_TYPE else type_token
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def urn_types(urn: str) -> str:
    """The type chain of a URN, outermost parent first, joined by `$`."""
    return urn.split("::", 3)[2]


def urn_name(urn: str) -> str:
    """The logical name of a URN."""
    return urn.split("::", 3)[3]


@dataclass(frozen=True)
class Source:
    """Where the program declares a resource: a POSIX path relative to the project root, and a line from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class Resource:
    """One declared resource.

    `inputs` are what the program passes (no provider defaults), as plan JSON (`plan.values`). `dependencies` and
    `property_dependencies` are URNs, sorted, properties without any left out. `provider` is the URN of an explicit
    provider. `options` holds only those that are set.
    """

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Mapping[str, Json] = field(default_factory=dict)
    parent: str | None = None
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provider: str | None = None
    protect: bool = False
    options: Mapping[str, Json] = field(default_factory=dict)
    source: Source | None = None

    @property
    def direct_dependencies(self) -> frozenset[str]:
        """URNs that must be there before this one, the parent aside."""
        urns = {*self.dependencies, *(urn for urns in self.property_dependencies.values() for urn in urns)}
        if self.provider:
            urns.add(self.provider)
        return frozenset(urns)


@dataclass(frozen=True)
class Graph:
    """The desired state of one stack. Not a difference against the cloud: nothing real was asked.

    `resources` are sorted by URN; `outputs` are what the stack exports.
    """

    project: str
    stack: str
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Json] = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def build(
        cls, project: str, stack: str, resources: Iterable[Resource], outputs: Mapping[str, Json] | None = None
    ) -> Graph:
        """A graph of resources in any order."""
        return cls(project, stack, tuple(sorted(resources, key=lambda r: r.urn)), dict(outputs or {}))

    @cached_property
    def _by_urn(self) -> dict[str, Resource]:
        return {resource.urn: resource for resource in self.resources}

    @cached_property
    def _children(self) -> dict[str | None, tuple[Resource, ...]]:
        children: dict[str | None, list[Resource]] = {}
        for resource in self.resources:
            children.setdefault(resource.parent, []).append(resource)
        return {parent: tuple(inner) for parent, inner in children.items()}

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        return {}

    def get(self, urn: str) -> Resource | None:
        """The resource of that URN, or None."""
        return self._by_urn.get(urn)

    def by_type(self, token: str) -> tuple[Resource, ...]:
        """All resources of a type token such as ``kong:index/route:Route``, sorted by URN."""
        return tuple(resource for resource in self.resources if resource.type == token)

    def children(self, urn: str | None) -> tuple[Resource, ...]:
        """The resources directly below a parent, sorted by URN; None asks for those without one."""
        return self._children.get(urn, ())

    def ancestors(self, urn: str) -> frozenset[str]:
        """URNs of everything that exists before this resource on create, and goes after it on destroy.

        The transitive closure of the engine's own edges (`pkg/resource/graph/dependency_graph.go`): dependencies,
        property dependencies, the provider, and the parent. Depending on a component means depending on every custom
        resource inside it; being its child does not make siblings ancestors. A URN that no resource of the graph
        carries is kept as a leaf.
        """
        if (known := self._ancestors.get(urn)) is not None:
            return known
        reached: set[str] = set()
        waiting = list(self._edges(urn))
        while waiting:
            current = waiting.pop()
            if current in reached:
                continue
            reached.add(current)
            waiting.extend(self._edges(current))
        reached.discard(urn)
        ancestors = frozenset(reached)
        self._ancestors[urn] = ancestors
        return ancestors

    def _edges(self, urn: str) -> set[str]:
        resource = self._by_urn.get(urn)
        if resource is None:
            return set()
        edges: set[str] = set()
        for target in resource.direct_dependencies:
            edges.add(target)
            edges.update(self._inside(target))
        if resource.parent:
            edges.add(resource.parent)
        return edges

    def _inside(self, urn: str) -> set[str]:
        """What waiting for a component waits for: its children, not those of its custom resources."""
        inside: set[str] = set()
        waiting = [urn]
        while waiting:
            target = self._by_urn.get(waiting.pop())
            if target is None or target.custom:
                continue
            below = [child.urn for child in self.children(target.urn) if child.urn not in inside]
            inside.update(below)
            waiting.extend(below)
        return inside
