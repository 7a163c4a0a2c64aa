"""What a step of the engine changes, from events in the shapes of bridged providers: before and after, and no noise."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.automation.events import StepEventMetadata

from plan.engine_steps import step_differences

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ROUTE = "kong:index/route:Route"


def step(
    paths: dict[str, str],
    *,
    inputs: tuple[dict[str, Any], dict[str, Any]],
    outputs: tuple[dict[str, Any], dict[str, Any]] | None = None,
    kind: str = ROUTE,
    input_diff: bool = False,
) -> StepEventMetadata:
    """An event as the engine serializes it. The new outputs of a preview are unknown where they are not inputs."""
    old, new = outputs or inputs
    return StepEventMetadata.from_json(
        {
            "op": "update",
            "urn": f"urn:pulumi:dev.one::ringwall::{kind}::it",
            "type": kind,
            "provider": "urn:pulumi:dev.one::ringwall::pulumi:providers:kong::kong::id",
            "old": {"type": kind, "inputs": inputs[0], "outputs": old},
            "new": {"type": kind, "inputs": inputs[1], "outputs": new},
            "detailedDiff": {path: {"diffKind": changes, "inputDiff": input_diff} for path, changes in paths.items()}
            or None,
        }
    )


def hosts(*names: str) -> dict[str, Any]:
    return {"hosts": list(names), "__defaults": []}


@pytest.mark.parametrize("paths", [{"hosts[1]": "add"}, {"hosts[3184236710]": "add", "hosts": "update"}])
def test_an_added_host_is_shown_before_and_after(paths: dict[str, str]) -> None:
    """The second spelling is a set's: the bridge names an entry by its hash where it finds no place for it."""
    assert step_differences(step(paths, inputs=(hosts("a"), hosts("a", "b")))) == (("hosts", '["a"]', '["a", "b"]'),)


def test_a_host_that_went_away_is_shown_before_and_after() -> None:
    changes = step_differences(step({"hosts[0]": "update", "hosts[1]": "delete"}, inputs=(hosts("a", "b"), hosts("b"))))
    assert changes == (("hosts", '["a", "b"]', '["b"]'),)


def test_a_host_that_was_added_at_the_gateway_is_in_the_old_state_only() -> None:
    changed = step(
        {"hosts[1]": "delete"},
        inputs=(hosts("a"), hosts("a")),
        outputs=({"hosts": ["a", "stranger"]}, {"hosts": ["a"]}),
    )
    assert step_differences(changed) == (("hosts", '["a", "stranger"]', '["a"]'),)


def test_a_refresh_says_what_it_found_and_not_what_the_bridge_keeps() -> None:
    changes = step(
        {"hosts[1]": "add"},
        inputs=({"hosts": ["a"], "__defaults": ["stripPath"]}, {"hosts": ["a", "x"], "__defaults": []}),
        outputs=(
            {"hosts": ["a"], "modifiedOn": "1", "__pulumi_raw_state_delta": {"a": 1}},
            {"hosts": ["a", "x"], "modifiedOn": "2", "__meta": "{}"},
        ),
    )
    assert step_differences(changes, refreshed=True) == (("hosts", '["a"]', '["a", "x"]'),)


def test_a_refresh_that_only_changes_what_the_bridge_keeps_is_no_difference() -> None:
    nested = {"config": {"name": "a", "__defaults": []}}, {"config": {"name": "a", "__defaults": ["name"]}}
    assert step_differences(step({}, inputs=nested), refreshed=True) == ()
    assert step_differences(step({"__meta": "update"}, inputs=(hosts("a"), hosts("a"))), refreshed=True) == ()


def ingress(*rules: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"config": {"ingresses": [*rules, {"service": "http_status:404"}], **extra}}


RULE = {
    "hostname": "one.example.com",
    "service": "http://127.0.0.1:8000",
    "originRequest": {"access": {"required": True}},
}


def test_a_leaf_of_a_nested_block_has_its_path() -> None:
    changed = {**RULE, "originRequest": {"access": {"required": False}}}
    paths = {"config.ingresses[0].originRequest.access.required": "update"}
    assert step_differences(step(paths, inputs=(ingress(RULE), ingress(changed)))) == (
        ("config.ingresses[0].originRequest.access.required", "true", "false"),
    )


def test_an_entry_put_before_others_changes_nothing_of_theirs() -> None:
    first = {"hostname": "two.example.com", "service": "http://127.0.0.1:8000"}
    paths = {
        "config.ingresses[0].hostname": "update",
        "config.ingresses[0].originRequest": "delete",
        "config.ingresses[1].hostname": "add",
        "config.ingresses[1].service": "update",
        "config.ingresses[2]": "add",
    }
    assert step_differences(step(paths, inputs=(ingress(RULE), ingress(first, RULE)))) == (
        ("config.ingresses[0]", "absent", '{"hostname": "two.example.com", "service": "http://127.0.0.1:8000"}'),
    )


def test_what_the_provider_adds_inside_of_a_block_is_no_difference() -> None:
    held = {**RULE, "id": "17", "path": ""}
    moved = {**held, "service": "http://127.0.0.1:9999"}
    paths = {"config.ingresses[0].service": "update", "config.ingresses[0].id": "update", "version": "update"}
    changes = step(
        paths,
        inputs=(ingress(RULE), ingress(RULE)),
        outputs=(ingress(moved, warp=False) | {"version": 4}, ingress(held) | {"version": UNKNOWN}),
    )
    assert step_differences(changes) == (
        ("config.ingresses[0].service", "http://127.0.0.1:9999", "http://127.0.0.1:8000"),
    )


def test_what_only_the_provider_computes_is_shown_where_nothing_else_is() -> None:
    computed = step(
        {"version": "update"},
        inputs=(hosts("a"), hosts("a")),
        outputs=({"hosts": ["a"], "version": 3}, {"hosts": ["a"]}),
    )
    assert step_differences(computed) == (("version", "3", "known after up"),)


def test_a_property_that_somebody_set_behind_our_back_is_shown_as_it_goes_away() -> None:
    changes = step({"regexPriority": "delete"}, inputs=(hosts("a"), hosts("a")), outputs=({"regexPriority": 9}, {}))
    assert step_differences(changes) == (("regexPriority", "9", "absent"),)


def test_json_text_is_compared_leaf_by_leaf_and_its_secrets_stay_masked() -> None:
    old = {"configJson": '{"minute":60,"redis":{"password":"old","port":1},"allow":["a"]}'}
    new = {"configJson": '{"allow":["a","b"],"minute":30.0,"redis":{"password":"new","port":1}}'}
    assert step_differences(step({"configJson": "update"}, inputs=(old, new))) == (
        ("configJson.allow", '["a"]', '["a", "b"]'),
        ("configJson.minute", "60", "30"),
        ("configJson.redis.password", "[secret]", "[secret], another value"),
    )


@pytest.mark.parametrize("refreshed", [False, True])
def test_a_secret_that_changes_beside_something_else_is_not_lost(*, refreshed: bool) -> None:
    old, new = {"name": "a", "tunnelSecret": SECRET}, {"name": "b", "tunnelSecret": SECRET}
    changes = step({"name": "update", "tunnelSecret": "update"}, inputs=(old, new))
    assert step_differences(changes, refreshed=refreshed) == (
        ("name", "a", "b"),
        ("tunnelSecret", "[secret]", "[secret], another value"),
    )


def test_a_refresh_that_changes_a_secret_alone_is_not_lost() -> None:
    unchanged = {"name": "a", "computedConfig": SECRET}
    assert step_differences(step({}, inputs=(unchanged, unchanged)), refreshed=True) == (
        ("in a secret property", "[secret]", "[secret], another value"),
    )


def test_a_key_with_dots_is_found_in_both_spellings() -> None:
    inputs: tuple[dict[str, Any], dict[str, Any]] = ({"a": {"x.y": 1}}, {"a": {}})
    for path in ('a["x.y"]', 'a.["x.y"]'):
        assert step_differences(step({path: "delete"}, inputs=inputs)) == (('a["x.y"]', "1", "absent"),)


def test_a_value_that_is_not_known_yet_is_called_so() -> None:
    changes = step({"serviceId": "update"}, inputs=({"serviceId": "s"}, {"serviceId": UNKNOWN}))
    assert step_differences(changes) == (("serviceId", "s", "known after up"),)


def test_another_version_of_a_providers_plugin_is_no_difference() -> None:
    kind = "pulumi:providers:cloudflare"
    old, new = {"version": "6.23.0", "baseUrl": "https://a"}, {"version": "6.23.1", "baseUrl": "https://a"}
    assert step_differences(step({"version": "update"}, inputs=(old, new), kind=kind)) == ()
    moved = {**new, "baseUrl": "https://b"}
    assert step_differences(step({}, inputs=(old, moved), kind=kind)) == (("baseUrl", "https://a", "https://b"),)


def test_inputs_that_the_provider_compares_itself_are_shown_as_well() -> None:
    changes = step({"hosts[1]": "add"}, inputs=(hosts("a"), hosts("a", "b")), input_diff=True)
    assert step_differences(changes) == (("hosts", '["a"]', '["a", "b"]'),)
