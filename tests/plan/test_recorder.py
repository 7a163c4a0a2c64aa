"""What the recorder writes down is what the engine would be told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pulumi
import pulumi.runtime
import pytest

from model.errors import RingwallError
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


def test_a_secret_leaf_hides_itself_and_not_its_neighbours() -> None:
    def program() -> None:
        config = pulumi.Config("app")
        body = {"limit": 60, "list": ["a", config.require_secret("token")], "key": pulumi.Output.secret("planted")}
        Leaf("leaf", {"body": body, "token": config.require_secret("token")})

    graph = plan(program, config={"app:token": "planted-too"}, secret_keys=["app:token"])
    assert named(graph, "leaf").inputs == {
        "body": {"limit": 60, "list": ["a", SECRET], "key": SECRET},
        "token": SECRET,
    }
    assert "planted" not in repr(graph)


def test_additional_secret_outputs_stay_secret_downstream() -> None:
    def program() -> None:
        import pulumi_kong as kong

        plugin = kong.Plugin(
            "limit", name="rate-limiting", opts=pulumi.ResourceOptions(additional_secret_outputs=["computed_config"])
        )
        pulumi.export("value", plugin.computed_config)
        consumer = Leaf("leaf", {"key": "planted"}, pulumi.ResourceOptions(additional_secret_outputs=["key"]))
        Leaf("copy", {"key": consumer.key})  # type: ignore[attr-defined]

    graph = plan(program)
    assert output(graph) == SECRET
    assert named(graph, "copy").inputs == {"key": SECRET}


def test_whole_numbers_are_integers_and_fractions_stay() -> None:
    graph = plan(lambda: Leaf("leaf", {"port": 8080, "ratio": 0.5, "on": True, "none": {"a": None}}))
    inputs = named(graph, "leaf").inputs
    assert inputs == {"port": 8080, "ratio": 0.5, "on": True, "none": {"a": None}}
    assert type(inputs["port"]) is int


def test_assets_are_recorded_as_assets() -> None:
    graph = plan(lambda: Leaf("leaf", {"text": pulumi.StringAsset("hello"), "file": pulumi.FileAsset("a/b.txt")}))
    assert named(graph, "leaf").inputs == {
        "text": {"$asset": {"text": "hello"}},
        "file": {"$asset": {"path": "a/b.txt"}},
    }


def test_a_resource_as_input_is_a_reference() -> None:
    def program() -> None:
        first = Leaf("first")
        Leaf("second", {"other": first})

    graph = plan(program)
    assert named(graph, "second").inputs == {"other": {"$resource": named(graph, "first").urn}}
    assert named(graph, "second").dependencies == (named(graph, "first").urn,)


def test_a_resource_handed_through_a_component_is_found_again() -> None:
    """The SDK rebuilds it from its URN by `getResource`."""

    def program() -> None:
        import pulumi_kong as kong

        box = Box("box", service=kong.Service("api", protocol="http", host="h"))
        Leaf("leaf", {"id": box.service.apply(lambda service: service.id)})  # type: ignore[attr-defined]

    assert named(plan(program), "leaf").inputs == {"id": "${api.id}"}


def kong_service() -> None:
    import pulumi_kong as kong

    service = kong.Service("api", protocol="http", host="127.0.0.1", port=9010)
    Leaf("leaf", {"id": service.id, "name": service.name, "path": service.path, "retries": service.retries})


def test_computed_strings_are_named_and_optional_ones_not_guessed() -> None:
    """`name` is a plain string output; `path` may be absent and `retries` is a number: neither can be named."""
    assert named(plan(kong_service), "leaf").inputs == {
        "id": "${api.id}",
        "name": "${api.name}",
        "path": UNKNOWN,
        "retries": UNKNOWN,
    }


def test_without_symbols_ids_and_computed_outputs_are_unknown() -> None:
    graph = plan(kong_service, symbolic=False)
    assert set(map(str, named(graph, "leaf").inputs.values())) == {str(UNKNOWN)}
    assert named(graph, "leaf").property_dependencies["id"] == (named(graph, "api").urn,)


def test_a_data_source_is_unknown_and_keeps_the_program_going() -> None:
    def program() -> None:
        answer = pulumi.runtime.invoke_output("kong:index/getService:getService", {"name": "x"})
        Leaf("leaf", {"answer": answer})

    assert named(plan(program), "leaf").inputs == {"answer": UNKNOWN}


def test_stack_references_answer_from_the_given_outputs() -> None:
    def program() -> None:
        reference = pulumi.StackReference("organization/ringwall/dev")
        Leaf("leaf", {"group": reference.require_output("group"), "none": reference.get_output("misspelt")})
        Leaf("second", {"token": reference.require_output("token"), "ports": reference.require_output("ports")})

    environment = {"group": "${group.id}", "token": SECRET, "ports": [{"n": 8000}]}
    graph = plan(program, stack_outputs={"organization/ringwall/dev": environment})
    assert named(graph, "leaf").inputs == {"group": "${group.id}"}
    assert named(graph, "second").inputs == {"token": SECRET, "ports": [{"n": 8000}]}
    assert named(graph, "organization/ringwall/dev").options == {"read": "organization/ringwall/dev"}


def test_an_unknown_output_of_another_stack_does_not_hide_its_neighbours() -> None:
    def program() -> None:
        reference = pulumi.StackReference("organization/ringwall/dev")
        Leaf("leaf", {"known": reference.require_output("known"), "later": reference.require_output("later")})

    outputs = {"organization/ringwall/dev": {"known": 1, "later": {"deep": UNKNOWN}}}
    assert named(plan(program, stack_outputs=outputs), "leaf").inputs == {
        "known": 1,
        "later": {"deep": "${organization/ringwall/dev.later.deep}"},
    }


def test_the_outputs_of_one_plan_feed_the_next() -> None:
    def environment() -> None:
        pulumi.export("group", Leaf("group").id)
        pulumi.export("token", pulumi.Output.secret("planted"))

    def server() -> None:
        reference = pulumi.StackReference("environment", "organization/proj/dev")
        Leaf("leaf", {"group": reference.get_output("group"), "token": reference.get_output("token")})

    graph = plan(server, stack_outputs={"organization/proj/dev": plan(environment).outputs})
    assert named(graph, "leaf").inputs == {"group": "${group.id}", "token": SECRET}


def test_a_stack_outside_the_plan_is_refused_by_name() -> None:
    with pytest.raises(RingwallError, match=r"organization/ringwall/absent.* not part of this plan"):
        plan(lambda: pulumi.StackReference("organization/ringwall/absent"))


def tag(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    if args.type_ != "test:index:Leaf":
        return None
    props = {**args.props, "trail": f"{args.props.get('trail', '')}{args.name}"}
    return pulumi.ResourceTransformResult(props, pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions()))


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


@pytest.mark.parametrize(
    "error",
    [pulumi.RunError("wrong"), RingwallError("broken rule"), KeyError("missing"), SystemExit(3)],
    ids=lambda error: type(error).__name__,
)
def test_what_the_program_raises_comes_out_unchanged(error: BaseException) -> None:
    def program() -> None:
        Leaf("leaf")
        raise error

    with pytest.raises(type(error)) as caught:
        plan(program)
    assert caught.value is error


def raising(error: Exception) -> Callable[[object], object]:
    def apply(_: object) -> object:
        raise error

    return apply


def test_an_error_in_an_apply_that_nothing_uses_comes_out_unchanged() -> None:
    error = RingwallError("broken in apply")
    with pytest.raises(RingwallError) as caught:
        plan(lambda: Leaf("leaf").id.apply(raising(error)))
    assert caught.value is error


def test_an_error_in_an_apply_that_an_input_uses_comes_out_unchanged() -> None:
    error = RingwallError("broken in apply")

    def program() -> None:
        value = Leaf("leaf").id.apply(raising(error))
        Leaf("chain", {"next": Leaf("user", {"value": value}).id})

    with pytest.raises(RingwallError) as caught:
        plan(program)
    assert caught.value is error


def test_an_async_program_is_awaited() -> None:
    async def program() -> None:
        await asyncio.sleep(0)
        Leaf("late")

    assert named(plan(program), "late").custom


def test_a_task_that_fails_unwatched_is_not_lost() -> None:
    async def stray() -> None:
        raise RingwallError("nobody awaits me")

    async def program() -> None:
        task = asyncio.ensure_future(stray())
        await asyncio.wait([task])

    with pytest.raises(RingwallError, match="nobody awaits me"):
        plan(program)


def test_an_output_that_never_resolves_ends_in_an_error() -> None:
    def program() -> None:
        Leaf("leaf", {"value": asyncio.get_running_loop().create_future()})

    with pytest.raises(RingwallError, match=r"dev did not end within 0\.2 s"):
        plan(program, timeout=0.2)


def test_a_blocked_program_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plan.recorder._GRACE_SECONDS", 0.1)
    release = threading.Event()
    try:
        with pytest.raises(RingwallError, match=r"dev did not end within 0\.1 s"):
            plan(release.wait, timeout=0.1)
    finally:
        release.set()


def test_a_program_sees_its_own_project_and_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"proj:outer": "leaks", "proj:own": "leaks"}))
    monkeypatch.setenv("PULUMI_CONFIG_PROJ_ALSO", "leaks")

    def program() -> None:
        config = pulumi.Config()
        values = {key: config.get(key) for key in ("own", "outer", "also")}
        Leaf("leaf", {"seen": repr(values), "in": f"{pulumi.get_organization()}/{pulumi.get_project()}/dev"})
        Leaf("root", {"root": pulumi.get_root_directory(), "dry": pulumi.runtime.is_dry_run()})

    graph = plan(program, config={"proj:own": "mine"}, organization="acme", root_directory=Path("/project"))
    assert named(graph, "leaf").inputs == {
        "seen": "{'own': 'mine', 'outer': None, 'also': None}",
        "in": "acme/proj/dev",
    }
    assert named(graph, "root").inputs == {"root": "/project", "dry": True}


def test_a_plan_made_inside_another_program_leaves_that_program_alone() -> None:
    graphs: list[Graph] = []

    def inner() -> None:
        pulumi.runtime.register_resource_transform(tag)
        Leaf("inner", {"key": pulumi.Config("app").get("key")})
        pulumi.export("value", "inner")

    def outer() -> None:
        before = Leaf("before")
        graphs.append(record(inner, project="inside", stack="b", config={"app:key": "inner"}))
        Leaf(
            "after",
            {"key": pulumi.Config("app").require_secret("key"), "place": pulumi.get_stack(), "before": before.id},
        )
        with contextlib.suppress(RingwallError):
            record(lambda: pulumi.StackReference("a/b/c"), project="inside", stack="c")
        pulumi.export("value", "outer")

    graph = plan(outer, config={"app:key": "outer"}, secret_keys=["app:key"])
    assert [resource.name for resource in graph.resources] == ["proj-dev", "after", "before"]
    assert named(graph, "after").inputs == {"key": SECRET, "place": "dev", "before": "${before.id}"}
    assert named(graph, "after").parent == named(graph, "proj-dev").urn
    assert output(graph) == "outer"
    (inside,) = graphs
    assert (inside.project, inside.stack, output(inside)) == ("inside", "b", "inner")
    assert named(inside, "inner").inputs == {"key": "inner", "trail": "inner"}


def test_a_plan_made_in_an_apply_of_another_program_works() -> None:
    def outer() -> None:
        names = Leaf("leaf").id.apply(lambda _: [r.name for r in plan(lambda: Leaf("deep")).resources])
        pulumi.export("value", names)

    assert output(plan(outer)) == ["proj-dev", "deep"]


def test_the_callers_pulumi_runtime_is_untouched() -> None:
    """A caller below the real engine has its own monitor, root resource and configuration in its context."""
    from pulumi.runtime.settings import ROOT, SETTINGS

    def caller() -> None:
        monitor = object()
        pulumi.runtime.configure(pulumi.runtime.Settings("mine", "prod", monitor=monitor, dry_run=False))
        pulumi.runtime.set_all_config({"mine:key": "kept"}, ["mine:key"])
        plan(lambda: Leaf("leaf"), config={"proj:key": "x"})
        assert SETTINGS.monitor is monitor
        assert (pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run()) == ("mine", "prod", False)
        assert pulumi.Config("mine").get("key") == "kept"
        assert pulumi.runtime.is_config_secret("mine:key")
        assert ROOT.get() is None

    import contextvars

    contextvars.Context().run(caller)


def test_plans_from_several_threads_do_not_mix() -> None:
    graphs: dict[int, Graph] = {}

    def declare_one(number: int) -> None:
        def program() -> None:
            previous: pulumi.Input[str] = "start"
            for index in range(10):
                previous = Leaf(f"{number}-{index}", {"previous": previous}).id

        graphs[number] = record(program, project="proj", stack=f"s{number}")

    threads = [threading.Thread(target=declare_one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    for number in range(4):
        names = {resource.name for resource in graphs[number].by_type("test:index:Leaf")}
        assert names == {f"{number}-{index}" for index in range(10)}


def test_sources_are_relative_to_the_root_and_left_out_without_one() -> None:
    this_file = Path(__file__)
    program_line = test_sources_are_relative_to_the_root_and_left_out_without_one.__code__.co_firstlineno + 4

    def program() -> None:
        Leaf("leaf")

    source = named(plan(program, root_directory=this_file.parent.parent), "leaf").source
    assert source is not None
    assert (source.file, source.line) == ("plan/test_recorder.py", program_line + 1)
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
