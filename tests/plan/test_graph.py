"""Ancestors are what exists before and goes after, by the engine's own edges."""

from __future__ import annotations

from plan.graph import Graph, Resource, make_urn


def node(urn: str, *, parent: str | None = None, needs: tuple[str, ...] = (), custom: bool = True) -> Resource:
    return Resource(urn=urn, type="t:i:T", name=urn, custom=custom, parent=parent, dependencies=needs)


def ancestors(urn: str, *resources: Resource) -> set[str]:
    return set(Graph.build("p", "s", resources).ancestors(urn))


def test_ancestors_are_transitive_and_exclude_the_resource_itself() -> None:
    chain = [node("a"), node("b", needs=("a",)), node("c", needs=("b",)), node("other")]
    assert ancestors("c", *chain) == {"a", "b"}
    assert ancestors("a", *chain) == set()


def test_property_dependencies_and_the_provider_are_ancestors() -> None:
    resource = Resource("x", "t:i:T", "x", True, property_dependencies={"key": ("a",)}, provider="p")
    assert ancestors("x", resource, node("a"), node("p", needs=("q",)), node("q")) == {"a", "p", "q"}


def test_depending_on_a_component_means_all_resources_inside_it_but_not_those_of_a_resource() -> None:
    reached = ancestors(
        "x",
        node("x", needs=("box",)),
        node("box", custom=False),
        node("inner", custom=False, parent="box"),
        node("deep", parent="inner", needs=("far",)),
        node("far"),
        node("child-of-deep", parent="deep"),
    )
    assert reached == {"box", "inner", "deep", "far"}


def test_a_parent_and_what_it_needs_come_before_but_siblings_do_not() -> None:
    reached = ancestors(
        "x",
        node("x", parent="box"),
        node("sibling", parent="box"),
        node("box", custom=False, needs=("first",)),
        node("first"),
    )
    assert reached == {"box", "first"}


def test_a_dependency_outside_the_graph_is_kept() -> None:
    assert ancestors("x", node("x", needs=("gone",))) == {"gone"}


def test_cycles_end() -> None:
    assert ancestors("a", node("a", needs=("b",)), node("b", needs=("a",))) == {"b"}


def test_lookups() -> None:
    graph = Graph.build("p", "s", [node("b", parent="a"), node("a")])
    assert [resource.urn for resource in graph.resources] == ["a", "b"]
    assert graph.get("b") == node("b", parent="a")
    assert graph.get("c") is None
    assert graph.by_type("t:i:T") == graph.resources
    assert [child.urn for child in graph.children("a")] == ["b"]
    assert [top.urn for top in graph.children(None)] == ["a"]


def test_urns_follow_the_engine() -> None:
    stack = make_urn("dev", "p", None, "pulumi:pulumi:Stack", "p-dev")
    assert stack == "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"
    outer = make_urn("dev", "p", stack, "a:b:C", "outer")
    assert outer == "urn:pulumi:dev::p::a:b:C::outer"
    assert make_urn("dev", "p", outer, "d:e:F", "in::ner") == "urn:pulumi:dev::p::a:b:C$d:e:F::in::ner"
