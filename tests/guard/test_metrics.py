"""The guard's metrics: what is counted under which label, and that nobody can make series at will."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from guard.decide.reasons import Decision
from guard.http.origin_breaker import FAILURES
from guard.metrics import LABELS, GuardMetrics
from guard.workers.exposition import Expositions
from tests.support.guard_messages import ATTACK, result
from tests.support.guard_service import Guarded, Origin, guarded, tool


def lines_of(guard: Guarded, name: str) -> set[str]:
    """The series of a metric that are not 0, without its prefix."""
    runtime = guard.service.runtime
    return {
        line.removeprefix("ringwall_guard_")
        for line in runtime.metrics.text().decode().splitlines()
        if line.startswith(f"ringwall_guard_{name}") and not line.endswith(" 0.0") and "_created" not in line
    }


async def test_calls_are_counted_by_tool_decision_and_leg(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        for _ in range(2):
            await guard.call("search", {"text": "fine"})
        await guard.call("delete", {"text": ATTACK})
        guard.origin.replies["tools/call"] = lambda _: result(ATTACK)
        await guard.call("search", {"text": "fine"})
        assert lines_of(guard, "tool_decisions_total") == {
            'tool_decisions_total{decision="allow",leg="arguments",tool="search"} 3.0',
            'tool_decisions_total{decision="allow",leg="results",tool="search"} 2.0',
            'tool_decisions_total{decision="block",leg="results",tool="search"} 1.0',
            'tool_decisions_total{decision="block",leg="arguments",tool="delete"} 1.0',
        }


async def test_names_that_are_not_in_the_lock_share_one_label(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        for number in range(30):
            await guard.call(f"made-up-{number}")
        await guard.post({"jsonrpc": "2.0", "id": "m", "method": "tools/call", "params": {"name": 7}})
        assert lines_of(guard, "tool_decisions_total") == {
            'tool_decisions_total{decision="refuse",leg="",tool="other"} 31.0'
        }


async def test_a_tool_that_the_server_changed_keeps_its_label(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        origin.tools = [tool("search", "Something else."), tool("delete")]
        await guard.request("tools/list")
        await guard.call("search")
        assert lines_of(guard, "tool_decisions_total") == {
            'tool_decisions_total{decision="refuse",leg="",tool="search"} 1.0'
        }


async def test_limits_tokens_and_taint_are_counted(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, limits={"requests_per_minute": 4}) as guard:
        await guard.initialize()
        guard.origin.replies["tools/call"] = lambda _: result(ATTACK)
        for _ in range(4):
            await guard.call("search", {"text": "fine"})
        assert lines_of(guard, "limits_reached_total") == {
            'limits_reached_total{limit="limits.requests_per_minute"} 1.0'
        }
        assert lines_of(guard, "taints_total") == {"taints_total 3.0"}
        tokens = lines_of(guard, "tokens_total")
        assert {re.sub(r" [1-9][0-9]*\.0$", "", line) for line in tokens} == {
            'tokens_total{direction="request"}',
            'tokens_total{direction="result"}',
        }


async def test_gauges_say_what_readiness_says(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        guard.origin.replies["tools/call"] = lambda _: result(ATTACK)
        await guard.call("search", {"text": "fine"})
        runtime = guard.service.runtime
        runtime.metrics.state(state := runtime.readiness(), runtime.taints.count())
        assert state["origin_breaker"] == "closed"
        assert lines_of(guard, "tainted_principals") == {"tainted_principals 1.0"}
        assert lines_of(guard, "audit_writable") == {"audit_writable 1.0"}
        assert lines_of(guard, "origin_breaker_open") == set()
        for number in range(FAILURES):
            runtime.origin.failed(f"person:{number}", reached=False)
        runtime.metrics.state(runtime.readiness(), 0)
        assert lines_of(guard, "origin_breaker_open") == {"origin_breaker_open 1.0"}


def test_a_counter_has_a_bounded_number_of_series() -> None:
    metrics = GuardMetrics()
    for number in range(500):
        metrics.decided(Decision.REFUSE, f"origin_{number}", None)
    text = metrics.text().decode()
    assert text.count("ringwall_guard_decisions_total{") == 201
    assert 'ringwall_guard_decisions_total{decision="other",leg="",reason="other"} 300.0' in text


def test_metrics_are_documented_and_so_is_every_label() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text("utf-8")
    joint = Expositions().joined({1: GuardMetrics().text().decode()}, losses=0, readiness={"ready": True, "bundle": {}})
    workers = text_string_to_metric_families(joint.decode())
    served = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in (*GuardMetrics().registry.collect(), *workers)
        if not family.name.endswith("_created")
    }
    assert served == set(re.findall(r"^\| `(ringwall_guard_\w+)` \|", page, re.MULTILINE))
    assert set(LABELS) == set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE))


def test_a_time_is_counted_in_every_bucket_that_reaches_it_and_in_the_sum() -> None:
    metrics = GuardMetrics()
    for seconds in (0.0, 0.001, 0.0011, 20.0):
        metrics.answered(200, seconds)
    metrics.answered(429, 0.25)
    lines = metrics.text().decode().splitlines()
    counted = {
        line.partition('le="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("ringwall_guard_request_seconds_bucket") and 'status="200"' in line
    }
    assert list(counted)[:4] == ["0.0005", "0.001", "0.002", "0.005"]
    assert [counted[bound] for bound in ("0.0005", "0.001", "0.002", "10.0", "+Inf")] == [1, 2, 3, 3, 4]
    assert 'ringwall_guard_request_seconds_count{status="200"} 4.0' in lines
    assert 'ringwall_guard_request_seconds_sum{status="200"} 20.0021' in lines
    assert 'ringwall_guard_request_seconds_count{status="429"} 1.0' in lines
