"""A trace from the official SDK's client through the guard to the official SDK's server, each with OpenTelemetry's SDK."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guard.probe.probe import probe
from guard.traces import exporter
from model.server import Origin as OriginSettings
from operations.onboard.lock import build_lock
from tests.support.guard_service import Origin, guarded
from tests.support.ports import free_port
from tests.support.trace_collector import trace_collector
from tests.support.waiting import eventually_sync

#: Its tool says which span it runs in.
SERVER = """
from mcp.server.mcpserver import MCPServer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())
server = MCPServer("traced", version="1", log_level="ERROR")

@server.tool()
def where() -> str:
    span = trace.get_current_span()
    return f"{span.context.trace_id:032x} {span.parent.span_id:016x}" if span.parent else "nowhere"

server.run("stdio")
"""


ORIGIN = {"command": [sys.executable, "-c", SERVER]}


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return build_lock(probe(OriginSettings.model_validate(ORIGIN), timeout=60)).dump()


@pytest.fixture
def client_spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("mcp.shared._otel._tracer", provider.get_tracer("client"))
    yield spans
    provider.shutdown()


async def test_client_guard_and_server_are_one_trace(
    lock: Any, tmp_path: Path, client_spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "INTERVAL", 0.02)
    grants = [{"to": {"all": True}, "tools": ["where"]}]
    with trace_collector() as collector:
        settings = {"traces": {"endpoint": collector.url, "parent": "continue"}}
        changes: dict[str, Any] = {"origin": ORIGIN, "tool_lock": lock, "grants": grants, "guard": settings}
        changes["listen"] = {"port": free_port()}
        url = f"http://127.0.0.1:{changes['listen']['port']}/mcp"
        async with guarded(Origin(), tmp_path, **changes), Client(url) as client:
            told = str(await client.call_tool("where", {}))
        client_kind, server_kind = Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER
        eventually_sync(lambda: collector.named("tools/call where", client_kind), "the guard's spans arrive")
        [span], [work] = (collector.named("tools/call where", kind) for kind in (server_kind, client_kind))
    [begun] = [one for one in client_spans.get_finished_spans() if one.name.endswith("tools/call where")]
    place = begun.get_span_context()
    assert place is not None
    theirs = (f"{place.trace_id:032x}", f"{place.span_id:016x}")
    assert f"{work.trace_id.hex()} {work.span_id.hex()}" in told, "the server's span is within the guard's"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == theirs
