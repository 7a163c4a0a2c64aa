"""A collector of traces: OTLP over HTTP as the protocol says it (binary protobuf, POST), on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def attributes(holder: Any) -> dict[str, Any]:
    """The attributes of a span, event or resource."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in holder.attributes}


@dataclass
class Collector:
    """What arrived. `status` and `rejected` are how it answers; while `open` is clear it does not."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: int = 0
    status: int = 200
    rejected: int = 0
    open: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str, kind: int = Span.SPAN_KIND_SERVER) -> list[Span]:
        return [span for span in self.spans if span.name == name and span.kind == kind]

    def take(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        self.requests += 1
        self.open.wait(30)
        self.headers.append(headers)
        if self.status != 200:
            return self.status, b""
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(group.resource))
            for scope in group.scope_spans:
                self.spans += scope.spans
        partial = ExportTracePartialSuccess(rejected_spans=self.rejected)
        return 200, ExportTraceServiceResponse(partial_success=partial).SerializeToString()


@contextmanager
def trace_collector() -> Iterator[Collector]:
    collector = Collector()
    collector.open.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            right = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
            names = {name.lower(): value for name, value in self.headers.items()}
            status, answer = collector.take(body, names) if right else (404, b"")
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
