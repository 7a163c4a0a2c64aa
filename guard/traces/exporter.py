"""Sends spans to a collector: a bounded queue, and a thread that empties it.

A call never waits for a collector and never fails by it. What does not fit into the queue, and what the collector refuses,
is dropped and counted: spans are for looking at, and the audit log is what is complete. The messages are OTLP's own
(opentelemetry-proto, OTLP/HTTP 1.x with binary protobuf) and not those of OpenTelemetry's SDK, whose exporter does not count
what it drops and does not read `partial_success` (opentelemetry-exporter-otlp-proto-http 1.45).
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from guard.audit.wires import CollectorPost, NotAccepted
from guard.metrics import GuardMetrics
from guard.traces.span import Attributes, SpanRecord

log = logging.getLogger("ringwall.guard.traces")

#: Spans that wait at most, spans in one request, and seconds that a span waits for others.
MAX_WAITING = 4096
BATCH = 512
INTERVAL = 2.0
_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
#: What OTLP calls worth trying again; any other status refuses these spans for good (OTLP/HTTP, Failures).
_TRY_AGAIN = frozenset((429, 502, 503, 504))
#: Flags of a span: that of W3C, and whether it is known that its parent is in another process, and whether it is.
_SAMPLED, _REMOTE_KNOWN, _REMOTE = 0x001, 0x100, 0x200


class SpanExporter:
    """Takes ended spans from the event loop and sends them on a thread of its own. `add` never blocks and never raises."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        resource: Attributes,
        metrics: GuardMetrics,
        *,
        ca_file: str | None = None,
    ) -> None:
        self._post = CollectorPost(endpoint, headers, ca_file, timeout=_TIMEOUT, content_type="application/x-protobuf")
        self._resource = Resource(attributes=_attributes(resource))
        self._metrics = metrics
        self._waiting: deque[SpanRecord] = deque()
        self._changed = threading.Condition()
        self._shown: str | None = None
        self._closing = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self._thread.start()

    def add(self, record: SpanRecord) -> None:
        """Have a span exported. Beyond what the queue holds it is dropped and counted."""
        if len(self._waiting) >= MAX_WAITING:
            self._metrics.spans_dropped.labels("queue_full").inc()
            return
        self._waiting.append(record)  # atomic; the thread looks by itself, so no lock is taken on a call's path
        if len(self._waiting) == BATCH:
            with self._changed:
                self._changed.notify()

    def close(self, grace: float) -> None:
        """Send what waits for up to `grace` seconds, and drop the rest. Blocks."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(grace)
        with self._changed:
            self._abandoned = True
            self._changed.notify()
        self._post.close()
        if self._waiting:
            self._metrics.spans_dropped.labels("closed").inc(len(self._waiting))

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._changed:
                if not self._closing and len(self._waiting) < BATCH:
                    self._changed.wait(INTERVAL)
                if self._abandoned or (self._closing and not self._waiting):
                    return
            batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
            if not batch:
                continue
            if self._sent(batch):
                pause = _FIRST_PAUSE
                for _ in batch:
                    self._waiting.popleft()
                continue
            with self._changed:
                wait = pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, no secret
                self._changed.wait_for(lambda: self._abandoned or self._closing, wait)
                if self._closing:
                    self._changed.wait_for(lambda: self._abandoned, 0.2)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _sent(self, batch: Sequence[SpanRecord]) -> bool:
        """Whether these spans are done with, accepted or refused for good; False where they may be sent again."""
        try:
            refused = self._send(batch)
        except NotAccepted as problem:
            self._metrics.span_export_failures.inc()
            self._say(str(problem))
            if problem.status is None or problem.status in _TRY_AGAIN:
                return False
            refused = len(batch)
        except Exception as problem:  # of any kind: the thread must not end
            self._metrics.span_export_failures.inc()
            self._say(f"{type(problem).__name__} in the export")
            refused = len(batch)
        else:
            self._say(None)
        self._metrics.spans_exported.inc(len(batch) - refused)
        if refused:
            self._metrics.spans_dropped.labels("rejected").inc(refused)
        return True

    def _say(self, problem: str | None) -> None:
        """Report a problem once, however often it comes, and its end."""
        if problem != self._shown:
            if problem is None:
                log.warning("spans are exported again")
            else:
                log.warning("spans are not exported: %s", problem)
        self._shown = problem

    def _send(self, batch: Sequence[SpanRecord]) -> int:
        """How many of them the collector rejected; raises NotAccepted where it took none."""
        scope = ScopeSpans(
            scope=InstrumentationScope(name="ringwall.guard"), spans=[_message(record) for record in batch]
        )
        request = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=[scope])]
        )
        answer = self._post.post(request.SerializeToString())
        try:
            rejected: int = ExportTraceServiceResponse.FromString(answer.body).partial_success.rejected_spans
        except DecodeError:
            raise NotAccepted("the collector's answer is not OTLP", 400) from None
        return min(max(0, rejected), len(batch))


def _message(record: SpanRecord) -> SpanMessage:
    kind = SpanMessage.SPAN_KIND_SERVER if record.of_server else SpanMessage.SPAN_KIND_CLIENT
    attributes = record.attributes if record.error is None else {**record.attributes, "error.type": record.error}
    return SpanMessage(
        trace_id=record.context.trace_id,
        span_id=record.context.span_id,
        parent_span_id=record.parent if any(record.parent) else b"",
        flags=_SAMPLED | _REMOTE_KNOWN | (_REMOTE if record.of_server and any(record.parent) else 0),
        name=record.name,
        kind=kind,
        start_time_unix_nano=record.start_ns,
        end_time_unix_nano=record.end_ns,
        attributes=_attributes(attributes),
        events=[
            SpanMessage.Event(time_unix_nano=moment, name="ringwall.decision", attributes=_attributes(members))
            for moment, members in record.events
        ],
        links=[SpanMessage.Link(trace_id=link.trace_id, span_id=link.span_id) for link in record.links],
        status=None if record.error is None else Status(code=Status.STATUS_CODE_ERROR),
    )


def _attributes(members: Attributes) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in members.items()
    ]
