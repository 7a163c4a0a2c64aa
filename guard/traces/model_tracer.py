"""The span of one request to a model, and that of the model's work within it.

Names and attributes are OpenTelemetry's conventions for inference (semantic-conventions, docs/gen-ai/gen-ai-spans.md). A
span holds no message, no answer and no caller, and no name of a model that the caller may not use. The provider is sent no
context: it is somebody else's, and its spans are not for the operator's collector.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from guard.models.usage import ModelUsage
from guard.traces.span import Attributes, CallSpan, SpanRecord
from guard.traces.trace_context import TraceContext, new_span_id
from guard.traces.tracer import Beginning, SpanTaker
from model.model_route import ModelKind
from model.traces import Traces

#: What each kind is called by the conventions: responses are a chat's too.
_OPERATIONS = {"chat": "chat", "responses": "chat", "embeddings": "embeddings"}


class ModelSpan(CallSpan):
    """The span of one request to a model of the route."""

    def about(self, model: str) -> None:
        """Name the model, which the caller may use."""
        self._record.name = f"{self._record.attributes['gen_ai.operation.name']} {model}"
        self._record.attributes["gen_ai.request.model"] = model

    def work(self) -> None:
        """Begin the span of the model's work: the request is sent."""
        record = self._record
        shared = {name: value for name, value in record.attributes.items() if name.startswith("gen_ai.")}
        place = TraceContext(record.context.trace_id, new_span_id(), record.context.sampled)
        self._work = SpanRecord(
            record.name, place, record.context.span_id, {**shared, **self._destination}, of_server=False
        )

    def used(self, usage: ModelUsage) -> None:
        """Note what the answer used, which is known at its end."""
        tokens: Attributes = {
            "gen_ai.usage.input_tokens": usage.input,
            "gen_ai.usage.output_tokens": usage.output,
        }
        self._record.attributes |= tokens
        if self._work is not None:
            self._work.attributes |= tokens
            self._work.end_ns = time.time_ns()


class ModelTracer:
    """The spans of one route's guard under one configuration. `close` it when another one is in force."""

    def __init__(self, settings: Traces, inner_url: str, exporter: SpanTaker) -> None:
        self._beginning = Beginning(settings)
        address = urlsplit(inner_url)
        self._destination: Attributes = {
            "network.transport": "tcp",
            "network.protocol.name": "http",
            "server.address": address.hostname or "",
            "server.port": address.port or 80,
        }
        self._exporter = exporter

    def begin(self, kind: ModelKind, traceparent: str | None) -> ModelSpan:
        """The span of a request, begun; `traceparent` is the client's header."""
        operation = _OPERATIONS[kind]
        attributes: Attributes = {
            "gen_ai.operation.name": operation,
            # Whose API is spoken: which provider answers is the gateway's affair.
            "gen_ai.provider.name": "openai",
            "network.protocol.name": "http",
            "network.transport": "tcp",
        }
        record = self._beginning.record(operation, attributes, (traceparent,))
        return ModelSpan(record, self._destination, self._exporter.add if record.context.sampled else None)

    def close(self, grace: float) -> None:
        """Export what waits for up to `grace` seconds; blocks."""
        self._exporter.close(grace)
