"""A plan is the same with the shortcuts as with the Pulumi SDK's own functions, and only a plan takes them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
import pytest
from pulumi.runtime import resource as sdk

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
