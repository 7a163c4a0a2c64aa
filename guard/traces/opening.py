"""Makes the tracer that a configuration asks for."""

from __future__ import annotations

import os
from importlib.metadata import version

from guard.metrics import GuardMetrics
from guard.traces.span import Attributes
from guard.traces.tracer import Tracer
from model.guard_config import GuardConfig
from wire.secrets import header_values


def collector_headers(config: GuardConfig) -> dict[str, str]:
    """The headers for the collector of traces, read where the stack file says each value is; raises InputError."""
    return header_values(config.guard.traces.headers) if config.guard.traces else {}


def tracer_of(config: GuardConfig, headers: dict[str, str], metrics: GuardMetrics) -> Tracer | None:
    """The tracer of this configuration, with its connection to the collector; None where it asks for no traces."""
    settings = config.guard.traces
    if settings is None:
        return None
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
    return Tracer(settings, config.origin, SpanExporter(settings.endpoint, headers, resource, metrics))
