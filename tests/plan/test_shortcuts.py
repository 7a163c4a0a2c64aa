"""A plan is the same with the shortcuts as with the Pulumi SDK's own functions, and only a plan takes them."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
import pytest
from pulumi.runtime import resource as sdk

from model.errors import RingwallError
from model.project import load, open_project
from plan import shortcuts
from plan.graph import Graph
from plan.monitor import RecordingEngine
from plan.offline import plan_stack
from plan.recorder import record
from plan.render import to_json
from tests.support.projects import write_project


class Leaf(pulumi.CustomResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Leaf", name, {"size": 1}, opts)


class Box(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Box", name, {}, opts)
        self.leaf = Leaf(f"{name}-leaf", pulumi.ResourceOptions(parent=self))


def program() -> None:
    first = Box("first")
    Box("second", pulumi.ResourceOptions(parent=first, aliases=[pulumi.Alias(name="other", parent=first.leaf)]))
    Box("third", pulumi.ResourceOptions(parent=first, aliases=[pulumi.Alias(name="old")]))
    Leaf("direct", pulumi.ResourceOptions(depends_on=[first]))


def record_program(root: Path) -> Graph:
    return record(program, project="proj", stack="dev", root_directory=root)


@pytest.mark.parametrize("symbolic", [True, False])
def test_plan_has_the_same_bytes_with_the_functions_of_the_sdk(
    symbolic: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = open_project(write_project(tmp_path))

    def plans() -> list[str]:
        stacks = [plan_stack(project, load(project, stack), symbolic=symbolic) for stack in ("dev", "dev.one")]
        return [to_json(graph) for graph in (*stacks, record_program(Path(__file__).parents[2]))]

    short = plans()
    assert '"tests/plan/test_shortcuts.py"' in short[-1]
    monkeypatch.setattr(shortcuts, "use", lambda: None)
    assert plans() == short


def test_plan_reads_no_whole_trace_makes_one_output_for_a_urn_and_no_debug_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(traceback, "extract_stack", counted("trace", traceback.extract_stack))
    monkeypatch.setattr(pulumi.Output, "all", counted("output", pulumi.Output.all))
    monkeypatch.setattr(RecordingEngine, "Log", counted("message", RecordingEngine.Log))

    def leaves() -> None:
        for number in range(20):
            Leaf(f"leaf{number}")

    assert len(record(leaves, project="proj", stack="dev").resources) == 21
    assert (calls.count("trace"), calls.count("message")) == (0, 0)
    assert calls.count("output") < 10  # two for each resource by the SDK's own way


class Size(StrEnum):
    SMALL = "small"


class Word(str):
    """A string of a class of its own, as a library may hand one over."""


class Sized(pulumi.CustomResource):
    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Sized", name, props, opts)

    many: pulumi.Output[Sequence[int]]
    size: pulumi.Output[Size | None]
    words: pulumi.Output[Mapping[str, str]]


def program_of_values() -> None:
    """Every kind of value, plain and not, known, unknown, secret and from another resource, with every kind of option."""
    names = ["many", "size", "words", "text", "whole", "part", "yes", "none", "nested"]
    values: list[Any] = [
        [1, 2],
        Size.SMALL,
        {"a": Word("b")},
        "text",
        3,
        0.5,
        True,
        None,
        {"a": [{"b": [None, False]}]},
    ]
    first = Sized("first", dict(zip(names, values, strict=True)))
    secret = pulumi.Output.secret("hidden")
    second = Sized(
        "second",
        {
            "many": first.many,
            "text": pulumi.Output.concat("id of ", first.id, " ", secret),
            "nested": {"resource": first, "secret": [secret], "output": first.size.apply(str)},
        },
        pulumi.ResourceOptions(
            protect=True, depends_on=[first], additional_secret_outputs=["many"], ignore_changes=["text"]
        ),
    )
    options = pulumi.ResourceOptions(parent=second, delete_before_replace=True, aliases=[pulumi.Alias(name="old")])
    third = Sized("third", {"words": first.words}, options.merge(pulumi.ResourceOptions(retain_on_delete=True)))
    pulumi.export("words", third.words)
    pulumi.export("everything", second.nested)  # type: ignore[attr-defined]  # set from the inputs


@pytest.mark.parametrize("symbolic", [True, False])
def test_value_and_option_of_every_kind_has_the_same_bytes_with_the_functions_of_the_sdk(
    symbolic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan() -> str:
        return to_json(record(program_of_values, project="proj", stack="dev", symbolic=symbolic))

    short = plan()
    assert short.count('"$secret": true') >= 3
    monkeypatch.setattr(shortcuts, "use", lambda: None)
    assert plan() == short


def test_plan_of_a_further_server_makes_at_most_105000_calls(tmp_path: Path) -> None:
    """Calls, as its time differs by machine: 93,000 as this is written, 141,000 without most of the shortcuts."""
    project = open_project(write_project(tmp_path))
    server = load(project, "dev.one")
    plan_stack(project, server)
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    contract = plan_stack(project, load(project, "dev")).outputs["contract"]
    assert isinstance(contract, dict)
    threading.setprofile(count)
    try:
        plan_stack(project, server, contract=contract)
    finally:
        threading.setprofile(None)
    assert calls < 105_000


def test_plan_asks_its_monitor_without_a_thread_and_starts_no_task_for_a_property() -> None:
    threads: set[str] = set()
    tasks: list[int] = []

    async def leaves() -> None:
        before = len(asyncio.all_tasks())
        many = Sized("many", {f"key{number}": number for number in range(100)})
        tasks.append(len(asyncio.all_tasks()) - before)
        await many.urn.future()
        threads.update(thread.name for thread in threading.enumerate())

    record(leaves, project="proj", stack="dev")
    assert tasks[0] < 10
    assert not {name for name in threads if name.startswith("plan_")}


def test_program_s_own_work_goes_to_a_thread() -> None:
    names: list[str] = []

    async def work() -> None:
        names.append(await asyncio.to_thread(lambda: threading.current_thread().name))

    record(work, project="proj", stack="dev")
    assert names == ["plan_0"]


def test_failed_registration_fails_each_output_of_the_resource() -> None:
    failures: list[str] = []

    async def twice() -> None:
        Leaf("leaf")
        second = Leaf("leaf")
        for output in (second.urn, second.id, second.size):  # type: ignore[attr-defined]  # set from the inputs
            with pytest.raises(RingwallError) as failure:
                await output.future()
            failures.append(failure.value.problem)

    with pytest.raises(RingwallError, match="two resources share the URN"):
        record(twice, project="proj", stack="dev")
    assert failures == ["two resources share the URN urn:pulumi:dev::proj::test:index:Leaf::leaf"] * 3


def test_waiting_for_an_output_in_vain_leaves_its_resource_as_it_is() -> None:
    async def impatient() -> None:
        leaf = Leaf("leaf")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leaf.size.future(), 0)  # type: ignore[attr-defined]  # set from the inputs
        waiting = asyncio.ensure_future(leaf.size.future())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        waiting.cancel()

    assert "test:index:Leaf" in to_json(record(impatient, project="proj", stack="dev"))


async def test_outside_of_a_plan_the_functions_are_those_of_the_sdk() -> None:
    assert len(sdk._get_stack_trace().frames) == 0  # nobody constructs here
    urn = sdk.create_urn("leaf", "test:index:Leaf", "urn:pulumi:dev::proj::test:index:Box::box")
    assert await urn.future() == "urn:pulumi:dev::proj::test:index:Box$test:index:Leaf::leaf"
    assert not shortcuts._IN_PLAN.get()
    await asyncio.to_thread(record_program, Path.cwd())
    assert not shortcuts._IN_PLAN.get()


def test_function_of_another_shape_is_left_as_it_is() -> None:
    module = ModuleType("sdk")
    own = module.create_urn = lambda name, kind: None  # type: ignore[attr-defined]
    shortcuts._install(module, "create_urn", ("name", "type_", "parent", "project", "stack"), shortcuts._urn)
    shortcuts._install(module, "missing", (), shortcuts._urn)
    assert vars(module)["create_urn"] is own
    assert "missing" not in vars(module)
