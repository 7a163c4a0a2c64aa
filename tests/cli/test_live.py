"""How far engine runs are: totals, elapsed time, and lines that stay."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from cli import live
from cli.report import next_steps, show_preview
from engine.run import Run
from plan.summary import by_ring


def event(kind: str, urn_type: str, name: str, operation: str = "create") -> Any:
    """An engine event as the automation API gives it: only the members that are read."""
    urn = f"urn:pulumi:dev.one::p::ringwall:index:ServerPerimeter${urn_type}::{name}"
    state = SimpleNamespace(inputs={}, outputs={}, id="")
    metadata = SimpleNamespace(urn=urn, type=urn_type, op=operation, old=None, new=state, detailed_diff=None)
    empty = dict.fromkeys(("resource_pre_event", "res_outputs_event", "diagnostic_event", "summary_event"))
    return SimpleNamespace(**{**empty, kind: SimpleNamespace(metadata=metadata)})


def running(*done: str, begun: tuple[str, ...] = (), expected: int | None = 25) -> Run:
    run = Run("dev.one", "up", expected=expected, state="running", began=time.monotonic() - 12)
    for name in (*done, *begun):
        run.steps.on_event(event("resource_pre_event", "kong:index/plugin:Plugin", name))
    for name in done:
        run.steps.on_event(event("res_outputs_event", "kong:index/plugin:Plugin", name))
    return run


def test_a_run_shows_how_many_of_its_resources_are_done_and_for_how_long() -> None:
    run = running("a", "b", begun=("c",))
    run.steps.on_event(event("resource_pre_event", "pulumi:providers:kong", "kong"))
    run.steps.on_event(event("res_outputs_event", "pulumi:providers:kong", "kong"))
    assert live.counts(run) == "2 of 25"
    assert 12 <= run.seconds < 60
    assert live.counts(running("a", expected=None)) == "1"
    assert live.counts(Run("dev.two", "preview", expected=21)) == "0 of 21"


def test_several_runs_have_a_total_from_the_beginning() -> None:
    table = live.table([running("a", "b"), Run("dev.two", "up", expected=21)]).plain.splitlines()
    assert table[-1].split() == ["together", "2", "of", "46", "12", "s"]
    assert len(live.table([running("a")]).plain.splitlines()) == 2


def test_a_run_that_ended_is_a_line_with_its_counts_and_its_time() -> None:
    run = running("a", "b")
    summary = event("summary_event", "", "")
    summary.summary_event = SimpleNamespace(resource_changes={"create": 4})  # the engine counts its own things too
    run.steps.on_event(summary)
    run.state, run.ended = "done", (run.began or 0) + 12.4
    assert live.line(run) == "up dev.one: done +2 in 12 s"


def test_a_new_server_is_listed_by_ring() -> None:
    resources = [
        ("kong:index/route:Route", "one-gateway-route"),
        ("cloudflare:index/dnsRecord:DnsRecord", "one-public-name-record"),
        ("ringwall:index:Guard", "one-guard"),
    ]
    assert by_ring(resources) == [
        "  + edge: one-public-name-record DnsRecord",
        "  + gateway: one-gateway-route Route",
        "  + guard: one-guard Guard",
    ]


def test_the_next_steps_are_those_of_servers_that_changed() -> None:
    changed, unchanged = running("a"), Run("dev.two", "up", state="done")
    changed.state = "done"
    lines = next_steps(["dev.one", "dev.two"], [Run("dev", "up", state="done"), changed, unchanged])
    assert [line.split("`")[1] for line in lines if "`" in line] == [
        "ringwall guard bundle dev.one --key FILE",
        "ringwall outputs dev.one host_bundle",
        "ringwall verify dev.one",
    ]
    assert next_steps(["dev.two"], [unchanged]) == []
    # A model route without a guard takes no bundle.
    lines = next_steps([], [changed], guardless=["dev.one"])
    assert lines == [
        "",
        "Next, as dev.one has no guard:",
        "  `ringwall outputs dev.one host_bundle`   # what its host runs",
    ]


def test_a_preview_that_changes_outputs_alone_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run("dev.one", "preview", state="done")
    run.steps.outputs_differ = True
    show_preview([run])
    assert capsys.readouterr().out == ("dev.one (engine preview): nothing\n  ~ the stack's outputs, and no resource\n")
