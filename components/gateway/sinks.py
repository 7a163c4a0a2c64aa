"""Log sinks (HTTP, file, OTLP) as Kong plugins. A header reaches a log only if the allow list of `lua` names it."""

from __future__ import annotations

import re

from components.editions import Protection
from components.gateway import lua
from components.gateway.spec import Config, PluginSpec, plugin
from model.environment import Environment, FileLog, HttpLog, Logs, Otlp
from model.errors import InputError


def sinks(settings: Environment, logs: Logs, service_name: str = "ringwall") -> list[PluginSpec]:
    """One plugin per sink, of a server or of the environment; raises InputError where Kong would misread a setting."""
    specs = []
    if logs.http:
        specs.append(_http_log(settings, logs.http))
    if logs.file:
        specs.append(_file_log(settings, logs.file))
    if logs.otlp:
        specs.append(_otlp(settings, logs.otlp, service_name))
    return specs


def _queue(max_batch_size: int) -> Config:
    return {
        "max_batch_size": max_batch_size,
        "max_coalescing_delay": 1,
        "max_entries": 10000,
        "max_bytes": None,
        "max_retry_time": 60,
        "initial_retry_delay": 0.01,
        "max_retry_delay": 60,
        "concurrency_limit": 1,
    }


def _http_log(settings: Environment, sink: HttpLog) -> PluginSpec:
    """Kong OSS does not verify the collector's certificate (http-log has no `ssl_verify` before 3.10): put a collector
    on loopback in front of one that is reached over a network you do not trust."""
    if "?" in sink.url:
        raise InputError(
            "http-log drops a query string in silence",
            key="logs.http.url",
            remedy="give the collector a header instead",
        )
    for header in sink.headers:
        if header.lower() in ("host", "content-length", "content-type") or not re.fullmatch(r"[A-Za-z0-9-]+", header):
            raise InputError(
                f"{header} cannot be a header of http-log", key="logs.http.headers", remedy="remove it or rename it"
            )
    return plugin(
        Protection.LOG_HTTP,
        settings,
        "log-http",
        {
            "http_endpoint": sink.url,
            "method": "POST",
            "content_type": "application/json",
            "timeout": 10000,
            "keepalive": 60000,
            "retry_count": None,
            "queue_size": None,
            "flush_timeout": None,
            "headers": dict(sink.headers) or None,
            "queue": _queue(1),
            "custom_fields_by_lua": lua.log_fields(),
        },
        "request log, headers by allow list",
    )


def _file_log(settings: Environment, sink: FileLog) -> PluginSpec:
    if not re.fullmatch(r"[^*&%\\`]+", sink.path):
        raise InputError(
            f"{sink.path} cannot be a log file of Kong", key="logs.file.path", remedy="use none of * & % \\ and `"
        )
    return plugin(
        Protection.LOG_FILE,
        settings,
        "log-file",
        # Reopened on every line: without it Kong writes on into a rotated, deleted file.
        {"path": sink.path, "reopen": True, "custom_fields_by_lua": lua.log_fields()},
        "request log, headers by allow list",
    )


def _otlp(settings: Environment, sink: Otlp, service_name: str) -> PluginSpec:
    """Traces and Kong's own runtime log lines. The plugin has no field list to allow from; its request span carries
    method, URL, host and peer address, and the identity check refuses query strings, so no token is among them."""
    return plugin(
        Protection.LOG_OTLP,
        settings,
        "log-otlp",
        {
            "traces_endpoint": sink.traces,
            "logs_endpoint": sink.logs,
            "headers": dict(sink.headers) or None,
            "resource_attributes": {"service.name": service_name},
            "queue": _queue(200),
            "batch_span_count": None,
            "batch_flush_delay": None,
            "connect_timeout": 1000,
            "send_timeout": 5000,
            "read_timeout": 5000,
            "http_response_header_for_traceid": None,
            "header_type": "preserve",
            "sampling_rate": None,
            "propagation": {"extract": None, "clear": None, "inject": None, "default_format": "w3c"},
        },
        "traces and runtime logs",
    )
