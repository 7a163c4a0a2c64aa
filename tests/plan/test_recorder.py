"""What the recorder writes down is what the engine would be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pulumi
import pulumi.runtime
import pytest

from model.errors import RingwallError
from tests.support.recorded_plans import Box, Leaf, named, output, plan


def test_urns_chain_parent_types_and_leave_the_stack_out() -> None:
    def program() -> None:
        outer = Box("outer")
        inner = Box("inner", pulumi.ResourceOptions(parent=outer))
        Leaf("leaf", opts=pulumi.ResourceOptions(parent=inner))

    graph = plan(program)
    assert [resource.urn for resource in graph.resources] == [
        "urn:pulumi:dev::proj::pulumi:pulumi:Stack::proj-dev",
        "urn:pulumi:dev::proj::test:index:Box$test:index:Box$test:index:Leaf::leaf",
        "urn:pulumi:dev::proj::test:index:Box$test:index:Box::inner",
        "urn:pulumi:dev::proj::test:index:Box::outer",
    ]
    assert named(graph, "leaf").parent == named(graph, "inner").urn
    assert named(graph, "outer").parent == named(graph, "proj-dev").urn
    assert named(graph, "leaf").custom
    assert not named(graph, "outer").custom


def test_an_input_made_from_an_output_is_a_property_dependency() -> None:
    def program() -> None:
        first = Leaf("first")
        Leaf("second", {"target": pulumi.Output.concat(first.id, ".example"), "plain": "x"})

    graph = plan(program)
    second, first = named(graph, "second"), named(graph, "first")
    assert second.inputs == {"plain": "x", "target": "${first.id}.example"}
    assert second.dependencies == (first.urn,)
    assert second.property_dependencies == {"target": (first.urn,)}


def test_an_output_carries_the_dependencies_of_the_input_it_echoes() -> None:
    def program() -> None:
        second = Leaf("second", {"target": Leaf("first").id})
        Leaf("third", {"copy": second.target})  # type: ignore[attr-defined]

    graph = plan(program)
    dependencies = tuple(sorted([named(graph, "first").urn, named(graph, "second").urn]))
    assert named(graph, "third").property_dependencies == {"copy": dependencies}


def test_depending_on_a_component_depends_on_the_resources_inside_it() -> None:
    def program() -> None:
        box = Box("box")
        inner = Box("inner", pulumi.ResourceOptions(parent=box))
        Leaf("one", opts=pulumi.ResourceOptions(parent=box))
        Leaf("two", opts=pulumi.ResourceOptions(parent=inner))
        Leaf("last", opts=pulumi.ResourceOptions(depends_on=[box]))

    graph = plan(program)
    assert named(graph, "last").dependencies == tuple(sorted([named(graph, "one").urn, named(graph, "two").urn]))
    assert named(graph, "two").urn in graph.ancestors(named(graph, "last").urn)


def test_options_are_recorded_where_they_are_set() -> None:
    def program() -> None:
        Leaf("plain")
        guard = Leaf("guard", opts=pulumi.ResourceOptions(protect=True))
        Leaf(
            "full",
            {"key": "v"},
            pulumi.ResourceOptions(
                aliases=[pulumi.Alias(name="old"), "urn:pulumi:dev::proj::test:index:Leaf::older"],
                additional_secret_outputs=["key"],
                custom_timeouts=pulumi.CustomTimeouts(create="5m"),
                delete_before_replace=False,
                deleted_with=guard,
                ignore_changes=["b", "a"],
                replace_on_changes=["key"],
                retain_on_delete=True,
            ),
        )

    graph = plan(program)
    assert named(graph, "plain").options == {}
    assert not named(graph, "plain").protect
    assert named(graph, "guard").protect
    assert named(graph, "full").options == {
        "additional_secret_outputs": ["key"],
        "aliases": [{"name": "old"}, {"urn": "urn:pulumi:dev::proj::test:index:Leaf::older"}],
        "custom_timeouts": {"create": "5m"},
        "delete_before_replace": False,
        "deleted_with": named(graph, "guard").urn,
        "ignore_changes": ["a", "b"],
        "replace_on_changes": ["key"],
        "retain_on_delete": True,
    }


def test_an_imported_resource_has_its_real_id() -> None:
    def program() -> None:
        pulumi.export("value", Leaf("leaf", opts=pulumi.ResourceOptions(import_="abc123")).id)

    graph = plan(program)
    assert output(graph) == "abc123"
    assert named(graph, "leaf").options == {"import": "abc123"}


def test_an_explicit_provider_is_recorded_by_urn_and_is_an_ancestor() -> None:
    def program() -> None:
        import pulumi_kong as kong

        provider = kong.Provider("gateway", kong_admin_uri="http://127.0.0.1:8001", kong_admin_token="planted-token")
        kong.Consumer("alice", username="alice", opts=pulumi.ResourceOptions(provider=provider))
        Box("box", pulumi.ResourceOptions(providers=[provider]))

    graph = plan(program)
    gateway = named(graph, "gateway").urn
    assert gateway == "urn:pulumi:dev::proj::pulumi:providers:kong::gateway"
    assert named(graph, "alice").provider == gateway
    assert gateway in graph.ancestors(named(graph, "alice").urn)
    assert named(graph, "box").options == {"providers": {"kong": gateway}}


def test_transforms_run_from_the_resource_outwards() -> None:
    def mark(letter: str) -> Callable[[pulumi.ResourceTransformArgs], pulumi.ResourceTransformResult | None]:
        def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
            if args.type_ != "test:index:Leaf":
                return None
            trail = f"{args.props['trail']}{letter}"
            return pulumi.ResourceTransformResult({**args.props, "trail": trail}, args.opts)

        return transform

    def protect(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(protect=True, ignore_changes=["trail"]))
        return pulumi.ResourceTransformResult(args.props, opts)

    def program() -> None:
        pulumi.runtime.register_resource_transform(mark("s"))
        first = Leaf("first", {"trail": ""})
        box = Box("box", pulumi.ResourceOptions(transforms=[mark("p")]))
        Leaf(
            "leaf",
            {"trail": "", "id_of": first.id},
            pulumi.ResourceOptions(parent=box, transforms=[mark("r"), protect], delete_before_replace=True),
        )

    graph = plan(program)
    leaf = named(graph, "leaf")
    assert leaf.inputs == {"trail": "rps", "id_of": "${first.id}"}
    assert leaf.protect
    assert leaf.options == {"delete_before_replace": True, "ignore_changes": ["trail"]}
    assert leaf.dependencies == (named(graph, "first").urn,)
    assert named(graph, "first").inputs == {"trail": "s"}


def test_a_failing_transform_names_the_resource_and_the_reason() -> None:
    def broken(_: pulumi.ResourceTransformArgs) -> None:
        raise ValueError("no such tag")

    with pytest.raises(RingwallError, match=r"transform of leaf \(test:index:Leaf\) failed: no such tag; "):
        plan(lambda: Leaf("leaf", opts=pulumi.ResourceOptions(transforms=[broken])))


def test_hooks_are_named_and_never_run() -> None:
    ran: list[object] = []

    def program() -> None:
        hook = pulumi.ResourceHook("probe", ran.append)
        Leaf("leaf", opts=pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(after_create=[hook])))

    assert named(plan(program), "leaf").options == {"hooks": {"after_create": ["probe"]}}
    assert ran == []


def test_two_resources_of_one_urn_are_refused() -> None:
    def program() -> None:
        Leaf("twin", {"a": 1})
        Leaf("twin", {"a": 2})

    with pytest.raises(RingwallError, match="share the URN urn:pulumi:dev::proj::test:index:Leaf::twin"):
        plan(program)


def test_remote_components_are_refused() -> None:
    with pytest.raises(RingwallError, match=r"far .* is a remote component"):
        plan(lambda: pulumi.ComponentResource("other:index:Far", "far", {}, None, remote=True))


def test_provider_methods_are_refused() -> None:
    def program() -> None:
        pulumi.export("value", pulumi.runtime.call("other:index:Far/method", {}, Box("box")))

    with pytest.raises(RingwallError, match="provider method other:index:Far/method"):
        plan(program)


def test_sources_are_relative_to_the_root_and_left_out_without_one() -> None:
    this_file = Path(__file__)
    program_line = test_sources_are_relative_to_the_root_and_left_out_without_one.__code__.co_firstlineno + 4

    def program() -> None:
        Leaf("leaf")

    source = named(plan(program, root_directory=this_file.parent), "leaf").source
    assert source is not None
    assert (source.file, source.line) == ("test_recorder.py", program_line + 1)
    assert named(plan(program), "leaf").source is None
    assert named(plan(program, root_directory=Path("/elsewhere")), "leaf").source is None


def test_a_read_resource_keeps_its_id() -> None:
    def program() -> None:
        import pulumi_kong as kong

        service = kong.Service.get("existing", "real-id")
        pulumi.export("value", [service.id, service.name])

    graph = plan(program)
    assert output(graph) == ["real-id", "${existing.name}"]
    assert named(graph, "existing").options == {"read": "real-id"}
