from __future__ import annotations

from types import SimpleNamespace as Event
from typing import Any

import pytest

from engine.events import Steps, plain_error

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def pre_event(operation: str, old: dict[str, Any], new: dict[str, Any], paths: list[str]) -> Any:
    metadata = Event(
        op=operation,
        urn="urn:pulumi:dev::ringwall::kong:index/plugin:Plugin::limit",
        type="kong:index/plugin:Plugin",
        old=Event(id="1", inputs=old, outputs={**old, "computed": 7}),
        new=Event(id="1", inputs=new, outputs={}),
        detailed_diff=dict.fromkeys(paths),
    )
    return event(resource_pre_event=Event(metadata=metadata))


def event(**parts: Any) -> Any:
    kinds = ("resource_pre_event", "res_outputs_event", "diagnostic_event", "summary_event")
    return Event(**{kind: parts.get(kind) for kind in kinds})


def test_a_changed_value_is_shown_with_its_path() -> None:
    steps = Steps()
    steps.on_event(pre_event("update", {"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["a.b[1]"]))
    (change,) = steps.changed
    assert change.details == ("a.b: [1, 2] → [1, 3]",)


def test_a_key_with_dots_is_found() -> None:
    steps = Steps()
    steps.on_event(pre_event("update", {"a": {"x.y": 1}}, {"a": {}}, ['a["x.y"]']))
    assert steps.changed[0].details == ('a["x.y"]: 1 → absent',)


def test_a_plugins_configuration_is_shown_key_by_key() -> None:
    steps = Steps()
    old, new = '{"minute": 60, "redis": {"host": "a", "port": 1}}', '{"minute": 30, "redis": {"host": "b", "port": 1}}'
    steps.on_event(pre_event("update", {"configJson": old}, {"configJson": new}, ["configJson"]))
    assert steps.changed[0].details == ("configJson.minute: 60 → 30", "configJson.redis.host: a → b")


def test_a_secret_is_masked() -> None:
    steps = Steps()
    steps.on_event(pre_event("update", {"a": SECRET}, {"a": SECRET}, ["a"]))
    assert steps.changed[0].details == ("a: [secret] → [secret], another value",)


def test_another_version_of_a_plugin_is_no_change() -> None:
    steps = Steps()
    provider = pre_event("update", {"version": "6.23.0"}, {"version": "6.23.1"}, ["version"])
    provider.resource_pre_event.metadata.type = "pulumi:providers:cloudflare"
    steps.on_event(provider)
    assert steps.changed == []


def test_what_stays_the_same_is_no_change() -> None:
    steps = Steps()
    steps.on_event(pre_event("same", {}, {}, []))
    assert steps.changed == []


def test_a_refresh_says_at_its_end_what_it_found() -> None:
    steps = Steps()
    steps.on_event(pre_event("refresh", {"a": 1}, {"a": 1}, []))
    assert steps.changed == []
    metadata = pre_event("update", {"a": 1}, {"a": 2}, ["a"]).resource_pre_event
    steps.on_event(event(res_outputs_event=metadata))
    assert [(change.operation, change.details) for change in steps.changed] == [("update", ("a: 1 → 2",))]


def test_what_a_refresh_before_a_run_finds_is_no_step_of_the_run() -> None:
    steps = Steps(refreshes_first=True)
    steps.on_event(pre_event("refresh", {"a": 1}, {"a": 1}, []))
    # The engine goes on calling it a refresh, also where something differs or is gone.
    steps.on_event(event(res_outputs_event=pre_event("refresh", {"a": 1}, {"a": 2}, ["a"]).resource_pre_event))
    assert (steps.changed, steps.differs) == ([], False)
    assert [(change.operation, change.details) for change in steps.drifted.values()] == [("update", ("a: 1 → 2",))]
    steps.on_event(pre_event("update", {"a": 2}, {"a": 1}, ["a"]))
    assert [change.details for change in steps.changed] == [("a: 2 → 1",)]


def test_what_a_refresh_before_a_run_finds_gone_is_no_deletion_by_the_run() -> None:
    steps = Steps(refreshes_first=True)
    steps.on_event(pre_event("refresh", {"a": 1}, {"a": 1}, []))
    deletion = pre_event("refresh", {"a": 1}, {}, []).resource_pre_event
    deletion.metadata.new = None
    steps.on_event(event(res_outputs_event=deletion))
    assert ([change.operation for change in steps.drifted.values()], steps.changed) == (["delete"], [])


@pytest.mark.parametrize(("new", "differs"), [({"host_bundle": "a"}, False), ({"host_bundle": "b"}, True)])
def test_a_run_that_changes_a_stacks_outputs_alone_has_something_to_do(new: dict[str, str], differs: bool) -> None:
    steps = Steps()
    stack = Event(
        op="same",
        urn="urn:pulumi:dev.one::ringwall::pulumi:pulumi:Stack::ringwall-dev.one",
        type="pulumi:pulumi:Stack",
        old=Event(inputs={}, outputs={"host_bundle": "a"}),
        new=Event(inputs={}, outputs=new),
    )
    steps.on_event(event(res_outputs_event=Event(metadata=stack)))
    assert (steps.changed, steps.differs) == ([], differs)


def test_an_error_loses_its_trace_and_keeps_its_words() -> None:
    message = "the contract differs; run `ringwall up dev`"
    trace = f"Traceback (most recent call last):\n  File x\npulumi.errors.RunError: {message}"
    assert plain_error(trace) == message


def test_a_protected_resource_that_would_be_replaced_comes_with_the_command_that_lets_it_go() -> None:
    urn = "urn:pulumi:dev.one::ringwall::a:b:C$d:e/f:F::one-edge-application"
    message = (
        f'unable to replace resource "{urn}"\nas it is currently marked for protection. To unprotect the resource, '
        "remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`"
    )
    assert plain_error(message) == (
        "one-edge-application is protected, as it is in production, and this change replaces it (a changed host name makes "
        f"another application); if you mean it, run `pulumi state unprotect --stack dev.one --yes '{urn}'`, then this again"
    )


def test_a_step_is_kept_as_the_order_of_steps_is_judged_by() -> None:
    steps = Steps()
    steps.on_event(pre_event("update", {"a": 1}, {"a": 2}, ["a"]))
    step = steps.changed[0].step
    assert step is not None
    assert (step.operation, step.type, step.id) == ("update", "kong:index/plugin:Plugin", "1")
    assert (step.old, step.new, step.outputs) == ({"a": 1}, {"a": 2}, {"a": 1, "computed": 7})


def test_terminal_markup_of_the_engine_is_removed() -> None:
    steps = Steps()
    steps.on_event(event(diagnostic_event=Event(urn="", severity="error", message="<{%fg 1%}>error: no<{%reset%}>\n")))
    assert steps.errors == ["error: no"]
