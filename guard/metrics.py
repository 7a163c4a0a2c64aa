"""The guard's metrics for Prometheus. Labels are few and fixed: principals, tools and texts are unbounded or secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from guard.inspect.verdict import Leg, Verdict

#: Seconds.
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REASONS = 200
_KINDS = ("application", "audio", "font", "image", "video")


class GuardMetrics:
    """The metrics of one guard, in a registry of their own, so that several guards in one test stay apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._decisions = Counter(
            "ringwall_guard_decisions", "Decisions by outcome, reason and leg.", ("decision", "reason", "leg"),
            registry=self.registry,
        )  # fmt: skip
        self._engines = Histogram(
            "ringwall_guard_engine_seconds", "Time an engine took for one verdict.", ("engine", "outcome"),
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.requests = Histogram(
            "ringwall_guard_request_seconds", "Time from a request's arrival to its answer, streams aside.", ("status",),
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.open_streams = Gauge("ringwall_guard_open_streams", "Streams open now.", registry=self.registry)
        self.dropped_events = Counter(
            "ringwall_guard_dropped_events", "Events of servers' streams left out as too many.", ("kind",),
            registry=self.registry,
        )  # fmt: skip
        self.pins_refused = Counter(
            "ringwall_guard_lock_refusals", "Definitions refused as not what the tool lock approves.",
            registry=self.registry,
        )  # fmt: skip
        self.tokens = Counter(
            "ringwall_guard_tokens", "Tokens of requests and results, by estimate.", ("direction",),
            registry=self.registry,
        )  # fmt: skip
        self._uninspected = Counter(
            "ringwall_guard_uninspected_bytes", "Bytes that passed uninspected, by the first half of their media type.",
            ("kind",), registry=self.registry,
        )  # fmt: skip
        self._state = {
            name: Gauge(f"ringwall_guard_{name}", text, registry=self.registry)
            for name, text in {
                "ready": "1 while nothing keeps the guard from being sound (/readyz says what does).",
                "bundle_sequence": "Number of the configuration in force.",
                "bundle_expires": "When the configuration in force expires, in Unix seconds; 0 for never.",
                "bundle_source_well": "0 while the configuration's source is out of reach or holds what is refused.",
                "audit_records": "Number of the last audit record.",
                "audit_anchor_lag_records": "Audit records that no head the collector took covers yet.",
                "audit_anchor_failures": "Attempts to send a head that failed since the start.",
            }.items()
        }
        self._children: dict[tuple[str, str, str], Counter] = {}

    def decided(self, decision: str, reason: str | None, leg: Leg | None) -> None:
        key = (decision, reason or "", leg.value if leg else "")
        child = self._children.get(key)
        if child is None:
            if len(self._children) >= _REASONS:
                key = (decision, "other", "")
            child = self._children.setdefault(key, self._decisions.labels(*key))
        child.inc()

    def passed_unseen(self, sizes: Mapping[str, int]) -> None:
        """Count bytes that passed uninspected, by media type."""
        for media_type, size in sizes.items():
            kind = media_type.partition("/")[0]
            self._uninspected.labels(kind if kind in _KINDS else "other").inc(size)

    def engine(self, verdict: Verdict) -> None:
        self._engines.labels(verdict.engine, verdict.outcome.value).observe(verdict.milliseconds / 1000)

    def state(self, readiness: Mapping[str, Any]) -> None:
        """Set the gauges to what `/readyz` reports, so that an alert needs no second source."""
        bundle, audit = readiness["bundle"], readiness["audit"]
        self._state["ready"].set(readiness["ready"])
        self._state["bundle_sequence"].set(bundle["sequence"])
        self._state["bundle_expires"].set(bundle.get("expires", 0))
        self._state["bundle_source_well"].set(not bundle.get("problem"))
        self._state["audit_records"].set(audit["sequence"])
        self._state["audit_anchor_lag_records"].set(audit["anchor_lag_records"] or 0)
        self._state["audit_anchor_failures"].set(audit["anchor"]["failures"] if audit["anchor"] else 0)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self.registry)
