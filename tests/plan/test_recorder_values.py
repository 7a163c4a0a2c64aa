"""The values that the recorder writes down: secrets, numbers, what is known only later, and what other stacks gave."""

from __future__ import annotations

import pulumi
import pulumi.runtime
import pytest

from model.errors import RingwallError
from tests.support.recorded_plans import SECRET, UNKNOWN, Box, Leaf, kong_service, named, output, plan


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
