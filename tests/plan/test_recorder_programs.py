"""A program that the recorder runs: its errors, its tasks and threads, and what it leaves as it was."""

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
from plan.graph import Graph
from plan.recorder import record
from tests.support.recorded_plans import SECRET, Leaf, named, output, plan, tag


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
