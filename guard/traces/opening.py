"""Makes the tracer that a configuration asks for, of a server's guard or a model route's."""

from __future__ import annotations

import os
from importlib.metadata import version

from guard.metrics import GuardMetrics
from guard.traces.model_tracer import ModelTracer
from guard.traces.span import Attributes
from guard.traces.tracer import SpanTaker, Tracer
from model.guard_bundle import AnyGuardConfig
from model.guard_config import GuardConfig
from model.model_guard_config import ModelGuardConfig
from model.traces import Traces
from wire.secrets import header_values


def collector_headers(config: AnyGuardConfig) -> dict[str, str]:
    """The headers for the collector of traces, read where the stack file says each value is; raises InputError."""
    return header_values(config.guard.traces.headers) if config.guard.traces else {}


def tracer_of(config: GuardConfig, headers: dict[str, str], metrics: GuardMetrics) -> Tracer | None:
    """The tracer of this configuration, with its connection to the collector; None where it asks for no traces."""
    settings = config.guard.traces
    return None if settings is None else Tracer(settings, config.origin, _exporter(config, settings, headers, metrics))


def model_tracer_of(config: ModelGuardConfig, headers: dict[str, str], metrics: GuardMetrics) -> ModelTracer | None:
    """The same of a model route's guard."""
    settings = config.guard.traces
    if settings is None:
        return None
    return ModelTracer(settings, config.inner.url, _exporter(config, settings, headers, metrics))


def _exporter(config: AnyGuardConfig, settings: Traces, headers: dict[str, str], metrics: GuardMetrics) -> SpanTaker:
    from guard.traces.exporter import (
        SpanExporter,
    )  # 15 ms of protocol messages that a guard without traces does without

    resource: Attributes = {
        "service.name": "ringwall-guard",
        "service.namespace": config.server.environment,
        "service.version": version("ringwall"),
        "host.name": os.uname().nodename,
        "ringwall.server": f"{config.server.environment}.{config.server.name}",
    }
    return SpanExporter(settings.endpoint, headers, resource, metrics)
