"""What of a call is seen in a trace, whose trace it joins, and that a collector can neither slow nor stop a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from guard.bundle.bundle import Opened
from guard.metrics import GuardMetrics
from guard.traces import exporter, tracer
from guard.traces.exporter import SpanExporter
from guard.traces.span import SpanRecord
from guard.traces.trace_context import TraceContext
from model.errors import InputError
from model.traces import Traces
from tests.support.guard_messages import ATTACK, AWS_KEY, call, result
from tests.support.guard_service import Guarded, Origin, guarded, tool
from tests.support.trace_collector import Collector, attributes, trace_collector
from tests.support.waiting import PATIENCE, eventually, eventually_sync

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
THEIRS = f"00-{TRACE}-{SPAN}-01"
CLIENT, SERVER = Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(exporter, "INTERVAL", 0.02)
    with trace_collector() as running:
        yield running


def traced(collector: Collector, **settings: Any) -> dict[str, Any]:
    return {"guard": {"traces": {"endpoint": collector.url, **settings}}}


def traces_to(collector: Collector) -> Traces:
    return Traces(endpoint=collector.url)


async def spans_of(collector: Collector, name: str, count: int = 1, kind: int = SERVER) -> list[Span]:
    async def arrived() -> list[Span] | None:
        spans = collector.named(name, kind)
        return spans if len(spans) >= count else None

    return await eventually(arrived, f"{count} spans {name} arrive")


async def test_a_call_is_a_span_with_the_servers_work_within_it(collector: Collector, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, **traced(collector)) as guard:
        await guard.initialize()
        await guard.call("search", {"text": "hello"})
        [span] = await spans_of(collector, "tools/call search")
        [work] = await spans_of(collector, "tools/call search", kind=CLIENT)
        [record] = [record for record in guard.records() if record["leg"] == "arguments" and record["name"]]
    assert attributes(span) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": "2025-11-25",
        "mcp.session.id": record["session"],
        "jsonrpc.request.id": "1",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "network.protocol.name": "http",
        "network.transport": "tcp",
        "ringwall.decision": "allow",
        "ringwall.reason": "allow",
        "ringwall.leg": "results",
        "ringwall.incident": record["incident"],
    }
    assert [attributes(event)["ringwall.leg"] for event in span.events] == ["arguments", "results"]
    assert span.parent_span_id == b""
    assert (work.trace_id, work.parent_span_id) == (span.trace_id, span.span_id)
    assert span.start_time_unix_nano < work.start_time_unix_nano
    assert work.end_time_unix_nano < span.end_time_unix_nano
    told = attributes(work)
    assert (told["server.address"], told["server.port"]) == ("127.0.0.1", guard.origin.port)
    assert span.status.code == work.status.code == Status.STATUS_CODE_UNSET
    resource = collector.resources[0]
    assert (resource["service.name"], resource["ringwall.server"]) == ("ringwall-guard", "dev.raw")


async def test_nothing_that_anybody_wrote_is_in_a_span(collector: Collector, tmp_path: Path) -> None:
    """Arguments, results, errors, unknown names and methods, the caller and the session stay with the guard."""
    origin = Origin(resources=[{"uri": "file:///notes/known", "name": "known"}])
    secret = "zanzibar"
    async with guarded(origin, tmp_path, **traced(collector)) as guard:
        await guard.initialize()
        origin.replies["tools/call"] = lambda _: result(f"{secret} result")
        await guard.call("search", {"text": f"{secret} argument"})
        origin.replies["tools/call"] = lambda m: {
            "jsonrpc": "2.0", "id": m["id"], "error": {"code": -32050, "message": f"{secret} error"},
        }  # fmt: skip
        await guard.call("search", {"text": f"{secret} argument"})
        await guard.call(f"{secret}-tool")
        await guard.request("resources/read", {"uri": f"file:///notes/{secret}"})
        await guard.request(f"{secret}/method", {})
        await spans_of(collector, "_OTHER")
        await spans_of(collector, "resources/read")
        text = str(collector.spans) + str(collector.resources)
        assert secret not in text
        assert "ada" not in text
        assert "s-1" not in text
        assert "127.0.0.1" in text


async def test_what_stopped_a_call_is_its_error(collector: Collector, tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path, **traced(collector)) as guard:
        await guard.initialize()
        await guard.call("search", {"text": ATTACK})
        await guard.call("unknown")
        origin.replies["tools/call"] = lambda _: result("broken", isError=True)
        await guard.call("search", {"text": "a"})
        origin.replies["tools/call"] = lambda m: {
            "jsonrpc": "2.0", "id": m["id"], "error": {"code": -32050, "message": "no"},
        }  # fmt: skip
        await guard.call("search", {"text": "b"})
        origin.replies["tools/call"] = lambda _: result(ATTACK)
        await guard.call("search", {"text": "c"})
        spans = await spans_of(collector, "tools/call search", 4)
        [unknown] = await spans_of(collector, "tools/call")
        work = await spans_of(collector, "tools/call search", 3, CLIENT)
    assert [attributes(span)["error.type"] for span in [*spans, unknown]] == [
        "injection", "tool_error", "-32050", "injection", "not_in_lock",
    ]  # fmt: skip
    assert all(span.status.code == Status.STATUS_CODE_ERROR and not span.status.message for span in spans)
    assert [attributes(span).get("error.type") for span in work] == ["tool_error", "-32050", None]
    assert attributes(spans[2])["rpc.response.status_code"] == "-32050"


async def test_a_server_that_does_not_answer_is_the_error_of_both(collector: Collector, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, **traced(collector)) as guard:
        await guard.initialize()
        guard.origin.replies["tools/call"] = lambda _: (_ for _ in ()).throw(RuntimeError)
        await guard.call("search", {"text": "a"})
        [span] = await spans_of(collector, "tools/call search")
        [work] = await spans_of(collector, "tools/call search", kind=CLIENT)
    assert attributes(span)["error.type"] == attributes(work)["error.type"] == "origin_broken"


def carried(guard: Guarded, method: str) -> list[tuple[str | None, Any]]:
    """The trace context of each message of a method as the server saw it, in its header and in its `_meta`."""
    messages = [(headers, json.loads(body)) for verb, headers, body in guard.origin.seen if verb == "POST"]
    return [
        (headers.get("traceparent"), message.get("params", {}).get("_meta"))
        for headers, message in messages
        if message.get("method") == method
    ]


def calling(**meta: Any) -> dict[str, Any]:
    return {**call(9), "params": {"name": "search", "arguments": {}, "_meta": meta}}


async def test_a_clients_trace_is_linked_and_its_flag_decides_nothing(collector: Collector, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, **traced(collector)) as guard:
        await guard.initialize()
        other = f"00-{'a' * 32}-{'b' * 16}-00"
        meta = {"traceparent": THEIRS, "tracestate": "a=1", "baggage": "who=ada"}
        await guard.post(calling(**meta), {"traceparent": other, "tracestate": "a=1", "baggage": "who=ada"})
        await guard.post(calling(traceparent=f"{THEIRS}-x"), {"traceparent": "garbage"})
        linked, alone = await spans_of(collector, "tools/call search", 2)
        assert [(link.trace_id.hex(), link.span_id.hex()) for link in linked.links] == [
            (TRACE, SPAN), ("a" * 32, "b" * 16),
        ]  # fmt: skip
        assert linked.trace_id.hex() not in (TRACE, "a" * 32)
        assert list(alone.links) == []
        work = await spans_of(collector, "tools/call search", 2, CLIENT)
        expected = [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in work]
        assert carried(guard, "tools/call") == [(text, {"traceparent": text}) for text in expected]
        assert all("tracestate" not in headers and "baggage" not in headers for _, headers, _ in guard.origin.seen)


async def test_a_clients_trace_is_continued_where_the_stack_file_says_so(collector: Collector, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, **traced(collector, parent="continue")) as guard:
        await guard.initialize()
        await guard.post(calling(traceparent=THEIRS))
        await guard.post(call(10), {"traceparent": THEIRS})
        await guard.post(calling(traceparent=f"00-{TRACE}-{SPAN}-00"))
        await guard.post(call(11))
        ours, transport, own = await spans_of(collector, "tools/call search", 3)
        for span in (ours, transport):
            assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
        assert own.trace_id.hex() != TRACE
        unrecorded = str(carried(guard, "tools/call")[2][0])
        assert (unrecorded[:35], unrecorded[-3:]) == (f"00-{TRACE}", "-00"), "a trace that nobody records goes on too"


async def test_a_part_of_the_calls_is_recorded(collector: Collector, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, **traced(collector, sampling_percent=50)) as guard:
        await guard.initialize()
        for _ in range(100):
            await guard.call("search", {"text": "a"})
        flags = [str(header)[-2:] for header, _ in carried(guard, "tools/call")]
        assert 15 < flags.count("01") < 85  # 50 of 100, eight standard deviations wide
        assert len(await spans_of(collector, "tools/call search", flags.count("01"))) == flags.count("01")


async def test_notifications_batches_and_modern_requests_are_traced_too(collector: Collector, tmp_path: Path) -> None:
    async with guarded(Origin(session=None), tmp_path, **traced(collector)) as guard:
        await guard.initialize()
        await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await guard.modern("tools/call", {"name": "search", "arguments": {}})
        version = {"mcp-protocol-version": "2025-03-26"}
        await guard.post([call(1), {**call(2), "params": {"name": "delete"}}], version)
        await spans_of(collector, "notifications/initialized")
        assert len(await spans_of(collector, "tools/call search", 2)) == 2
        await spans_of(collector, "tools/call delete")
        assert carried(guard, "notifications/initialized")[-1][1].keys() == {"traceparent"}


async def test_without_traces_nothing_is_added_and_nothing_is_taken_away(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        await guard.post(calling(traceparent=THEIRS), {"traceparent": THEIRS})
        assert carried(guard, "tools/call") == [(None, {"traceparent": THEIRS})]


async def test_traces_begin_and_end_with_a_bundle_and_need_no_restart(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits at the end has two seconds, which a busy machine may need for one request.
    monkeypatch.setattr(tracer, "GRACE", PATIENCE)
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        plain = guard.config.guard
        for sequence, guard_settings in enumerate(
            (plain.model_copy(update={"traces": traces_to(collector)}), plain), 2
        ):
            config = guard.config.model_copy(update={"guard": guard_settings})
            await guard.service.apply(Opened(config, f"sha256:{sequence}", sequence, frozenset(), None))
            await guard.call("search", {"text": "a"})
        assert [header is None for header, _ in carried(guard, "tools/call")] == [False, True]
    assert len(await spans_of(collector, "tools/call search")) == 1, "what waited was exported at the end"


async def test_a_guard_whose_header_is_not_there_does_not_start(collector: Collector, tmp_path: Path) -> None:
    settings = traced(collector, headers={"X-Key": {"env": "NOT_SET"}})
    with pytest.raises(InputError, match="environment variable NOT_SET is not set"):
        async with guarded(Origin(), tmp_path, **settings):
            pass


async def test_headers_for_the_collector_come_from_the_host(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTLP_KEY", AWS_KEY)
    headers = {"Authorization": {"env": "OTLP_KEY", "scheme": "Bearer"}}
    async with guarded(Origin(), tmp_path, **traced(collector, headers=headers)) as guard:
        await guard.initialize()
        await spans_of(collector, "initialize")
    assert collector.headers[0]["authorization"] == f"Bearer {AWS_KEY}"


async def test_a_collector_that_hangs_holds_up_no_call(collector: Collector, tmp_path: Path) -> None:
    collector.open.clear()
    async with guarded(Origin(tools=[tool("search")]), tmp_path, **traced(collector)) as guard:
        await guard.initialize()

        async def asked() -> bool:
            return collector.requests > 0

        await eventually(asked, "the collector is asked")
        for _ in range(20):
            assert (await guard.call("search", {"text": "a"}))["result"]["content"]
        assert not collector.spans
        collector.open.set()
        await spans_of(collector, "tools/call search", 20)


# -- the queue --------------------------------------------------------------------------------------------------------


def record(name: str = "x") -> SpanRecord:
    made = SpanRecord(name, TraceContext(b"\1" * 16, b"\2" * 8, sampled=True), bytes(8), {}, of_server=True)
    made.end_ns = made.start_ns
    return made


def value(metrics: GuardMetrics, series: str) -> float:
    lines = metrics.text().decode().splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"ringwall_guard_{series} ")), 0.0)


def exporting(collector: Collector) -> tuple[SpanExporter, GuardMetrics]:
    metrics = GuardMetrics()
    return SpanExporter(collector.url, {}, {"service.name": "t"}, metrics), metrics


def test_what_the_queue_does_not_hold_is_dropped_and_counted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "MAX_WAITING", 10)
    collector.open.clear()
    spans, metrics = exporting(collector)
    for _ in range(25):
        spans.add(record())
    assert value(metrics, 'spans_dropped_total{cause="queue_full"}') == 15
    collector.open.set()
    eventually_sync(lambda: len(collector.spans) == 10, "the others are exported")
    spans.close(5)
    assert value(metrics, "spans_exported_total") == 10


@pytest.mark.parametrize("status", [429, 503])
def test_a_collector_that_is_busy_is_asked_again(collector: Collector, status: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(exporter, "_FIRST_PAUSE", 0.01)
    collector.status = status
    spans, metrics = exporting(collector)
    spans.add(record())
    eventually_sync(lambda: value(metrics, "span_export_failures_total") >= 2, "it is asked twice")
    collector.status = 200
    eventually_sync(lambda: len(collector.spans) == 1, "the span arrives")
    spans.close(5)
    assert value(metrics, "spans_exported_total") == 1


@pytest.mark.parametrize("status", [302, 400, 401, 500])
def test_what_a_collector_refuses_is_dropped_and_does_not_hold_up_the_rest(collector: Collector, status: int) -> None:
    collector.status = status
    spans, metrics = exporting(collector)
    spans.add(record("refused"))
    eventually_sync(lambda: value(metrics, 'spans_dropped_total{cause="rejected"}') == 1, "it is dropped")
    collector.status = 200
    spans.add(record("next"))
    eventually_sync(lambda: bool(collector.spans), "the next arrives")
    spans.close(5)
    assert [span.name for span in collector.spans] == ["next"]


def test_what_a_collector_took_in_part_is_counted_so(collector: Collector) -> None:
    collector.rejected = 1
    spans, metrics = exporting(collector)
    spans.add(record())
    eventually_sync(lambda: value(metrics, 'spans_dropped_total{cause="rejected"}') == 1, "the rejected one is counted")
    spans.close(5)


def test_what_is_left_at_the_end_is_dropped_and_counted(collector: Collector) -> None:
    collector.open.clear()
    spans, metrics = exporting(collector)
    spans.add(record())
    spans.close(0.1)
    assert value(metrics, 'spans_dropped_total{cause="closed"}') == 1
