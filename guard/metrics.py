"""The guard's metrics for Prometheus, each described in one table, of which docs/reference/metrics.md is made.

Labels are few and bounded. Tools are those of the tool lock; principals, arguments and texts are never a label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from guard.decide.limits import LIMIT_KEYS
from guard.decide.reasons import Decision, Reason
from guard.inspect.verdict import Leg, ModelLeg, Verdict

PREFIX = "ringwall_guard_"
#: The label in place of every value that has no series of its own.
UNLISTED = "other"
#: Series of one counter at most.
MAX_SERIES = 10_000
#: Seconds.
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: The buckets' upper bounds as Prometheus writes them.
_BOUNDS = tuple(map(floatToGoString, (*_BUCKETS, float("inf"))))
#: Reasons are words of the code but for `withheld_N`, `origin_N` and those of tokens.
_REASONS = 200
_KINDS = ("application", "audio", "font", "image", "video")


class MetricFamily(NamedTuple):
    """What a metric counts or shows, and the names of its labels."""

    text: str
    labels: tuple[str, ...] = ()


#: What each label says.
LABELS: Mapping[str, str] = {
    "decision": "`allow`, `flag`, `redact`, `block`, `refuse` or `error`",
    "reason": "why, as the audit log says it",
    "leg": "the part of the conversation: `arguments`, `results`, `definitions`, `prompts`, `resources`, "
    "`server_requests`, on a model route `prompts`, `tool_results`, `definitions`, `answers`, `tool_calls`; empty where no "
    "text was judged",
    "model": "a model of the route; `other` for every name that is none",
    "tool": "a tool of the tool lock; `other` for every name that is not in it",
    "limit": "the key of the stack file that sets the limit",
    "engine": "the verdict engine",
    "outcome": "`allow`, `block` or `no_verdict`",
    "status": "the HTTP status",
    "kind": "`progress` or `empty` of events; the first half of the media type of bytes",
    "direction": "`request` or `result`",
    "cause": "`queue_full`, `rejected` by the collector, or `closed` as the guard ended",
}
#: Prometheus shows them with `_total` behind the name.
COUNTERS: Mapping[str, MetricFamily] = {
    "decisions": MetricFamily("Decisions by outcome, reason and leg.", ("decision", "reason", "leg")),
    "outcomes": MetricFamily(
        "Decisions by outcome alone. Each series is there from the start, so alerts build on it.", ("decision",)
    ),
    "no_verdicts": MetricFamily("Texts that no engine judged, so that they did not pass."),
    "tool_decisions": MetricFamily("Decisions on calls of tools and on their results.", ("tool", "decision", "leg")),
    "model_decisions": MetricFamily(
        "Decisions on requests to models and on their answers.", ("model", "decision", "leg")
    ),
    "model_tokens": MetricFamily("Tokens of models, as their providers count them.", ("model", "direction")),
    "limits_reached": MetricFamily("Requests that met a limit.", ("limit",)),
    "taints": MetricFamily("Texts by which a caller was marked as tainted."),
    "dropped_events": MetricFamily("Events of servers' streams left out as too many.", ("kind",)),
    "lock_refusals": MetricFamily("Definitions refused as not what the tool lock approves."),
    "tokens": MetricFamily(
        "Tokens of requests that were let through and of their results, by estimate.", ("direction",)
    ),
    "spans_exported": MetricFamily("Spans that the collector of traces took."),
    "spans_dropped": MetricFamily("Spans that were not exported; no call waits for a collector.", ("cause",)),
    "span_export_failures": MetricFamily("Attempts to export spans that failed."),
    "uninspected_bytes": MetricFamily("Bytes that passed uninspected, by kind.", ("kind",)),
}
HISTOGRAMS: Mapping[str, MetricFamily] = {
    "request_seconds": MetricFamily("Time from a request's arrival to its answer, streams aside.", ("status",)),
    "engine_seconds": MetricFamily(
        "Time an engine took for one verdict; 0 where it repeats what it said before.", ("engine", "outcome")
    ),
}
GAUGES: Mapping[str, MetricFamily] = {
    "open_streams": MetricFamily("Streams that are open."),
    "ready": MetricFamily("1 while nothing keeps the guard from being sound (/readyz says what does)."),
    "bundle_sequence": MetricFamily("Number of the configuration in force."),
    "bundle_expires": MetricFamily("When the configuration in force expires, in Unix seconds; 0 for never."),
    "bundle_source_well": MetricFamily("0 while the configuration's source is out of reach or holds what is refused."),
    "origin_breaker_open": MetricFamily("1 while calls are refused as the server failed several times in a row."),
    "tainted_principals": MetricFamily("Callers that are marked as tainted; calls of theirs that send data out are judged."),
    "audit_writable": MetricFamily("0 since a record could not be written; the guard lets nothing pass then."),
    "audit_records": MetricFamily("Number of the last audit record."),
    "audit_anchor_lag_records": MetricFamily("Audit records that no head the collector took covers yet."),
    "audit_anchor_failures": MetricFamily("Attempts to send a head that failed since the start."),
}  # fmt: skip
#: What a guard with workers shows besides (`guard.workers.exposition`).
WORKER_COUNTERS: Mapping[str, MetricFamily] = {
    "workers_lost": MetricFamily("With `--workers`: workers that ended, and in whose place others began."),
}
WORKER_GAUGES: Mapping[str, MetricFamily] = {"workers": MetricFamily("With `--workers`: workers that serve.")}


class Tally:
    """A series of a counter that costs one addition a call; what was added is handed on when somebody reads the metrics."""

    __slots__ = ("_added", "_counter")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._added = 0

    def inc(self, amount: int = 1) -> None:
        self._added += amount

    def hand_on(self) -> None:
        added, self._added = self._added, 0
        if added:
            self._counter.inc(added)


class Tallies(Collector):
    """All tallies of a registry. It stands first in it, and shows no metric of its own."""

    def __init__(self) -> None:
        self._all: list[Tally] = []

    def of(self, counter: Counter) -> Tally:
        """A tally of this series, of which there must be no other."""
        tally = Tally(counter)
        self._all.append(tally)
        return tally

    def collect(self) -> Iterable[Metric]:
        for tally in self._all:
            tally.hand_on()
        return ()


class BoundedCounter:
    """A counter whose labels come from outside: beyond `most` series, every new one is counted under `overflow`."""

    def __init__(self, counter: Counter, tallies: Tallies, most: int, overflow: tuple[str, ...]) -> None:
        self._counter = counter
        self._tallies = tallies
        self._most = most
        self._overflow = overflow
        self._children: dict[tuple[str, ...], Tally] = {}

    def count(self, *labels: str, amount: int = 1) -> None:
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= self._most:
                labels = self._overflow
            child = self._children.get(labels)
            if child is None:
                child = self._children[labels] = self._tallies.of(self._counter.labels(*labels))
        child.inc(amount)


class Times(Collector):
    """A histogram of seconds that costs two additions an observation, of which each call has three. Its labels are those
    that the guard itself makes."""

    def __init__(self, name: str, family: MetricFamily) -> None:
        self._name = name
        self._family = family
        self._series: dict[tuple[str, ...], _TimeSeries] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _TimeSeries()
        series.sum += seconds
        series.counts[bisect_left(_BUCKETS, seconds)] += 1

    def collect(self) -> Iterable[Metric]:
        metric = HistogramMetricFamily(self._name, self._family.text, labels=self._family.labels)
        for labels, series in self._series.items():
            metric.add_metric(labels, list(zip(_BOUNDS, accumulate(series.counts), strict=True)), series.sum)
        return (metric,)


class _TimeSeries:
    """One series of `Times`: the seconds together, and how many observations each bucket holds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.sum = 0.0
        self.counts = [0] * len(_BOUNDS)


class GuardMetrics:
    """The metrics of one guard, in a registry of their own, so that several guards in one process stay apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        tallies = Tallies()
        self.registry.register(tallies)
        counters = {
            name: Counter(PREFIX + name, family.text, family.labels, registry=self.registry)
            for name, family in COUNTERS.items()
        }
        times = {name: Times(PREFIX + name, family) for name, family in HISTOGRAMS.items()}
        for histogram in times.values():
            self.registry.register(histogram)
        self._gauges = {
            name: Gauge(PREFIX + name, family.text, family.labels, registry=self.registry)
            for name, family in GAUGES.items()
        }
        self._decisions = BoundedCounter(counters["decisions"], tallies, _REASONS, (UNLISTED, UNLISTED, ""))
        self._outcomes = {decision: tallies.of(counters["outcomes"].labels(decision)) for decision in Decision}
        self._no_verdicts = counters["no_verdicts"]
        self._tool_decisions = BoundedCounter(counters["tool_decisions"], tallies, MAX_SERIES, (UNLISTED, UNLISTED, ""))
        self._model_decisions = BoundedCounter(
            counters["model_decisions"], tallies, MAX_SERIES, (UNLISTED, UNLISTED, "")
        )
        self._model_tokens = counters["model_tokens"]
        self._limits = BoundedCounter(counters["limits_reached"], tallies, MAX_SERIES, (UNLISTED,))
        for limit in LIMIT_KEYS:
            self._limits.count(limit, amount=0)
        self._uninspected = counters["uninspected_bytes"]
        self._engine_seconds = times["engine_seconds"]
        self._request_seconds = times["request_seconds"]
        self.open_streams = self._gauges["open_streams"]
        self.dropped_events = counters["dropped_events"]
        self.pins_refused = counters["lock_refusals"]
        self.taints = counters["taints"]
        self.spans_exported = counters["spans_exported"]
        self.spans_dropped = counters["spans_dropped"]
        self.span_export_failures = counters["span_export_failures"]
        self.request_tokens = tallies.of(counters["tokens"].labels("request"))
        self.result_tokens = tallies.of(counters["tokens"].labels("result"))

    def decided(self, decision: Decision, reason: str | None, leg: Leg | None, tool: str | None = None) -> None:
        """Count a decision; `tool` is the name of a locked tool or UNLISTED where it is about a call, else None."""
        part = leg or ""
        self._outcomes[decision].inc()
        if reason is Reason.NO_VERDICT:
            self._no_verdicts.inc()
        self._decisions.count(decision, reason or "", part)
        if tool is not None:
            self._tool_decisions.count(tool, decision, part)

    def model_decided(self, decision: Decision, reason: str | None, leg: ModelLeg | None, model: str) -> None:
        """Count a decision on a request to a model of the route, UNLISTED for a name that is none, or on its answer."""
        self._outcomes[decision].inc()
        if reason is Reason.NO_VERDICT:
            self._no_verdicts.inc()
        part = leg.value if leg else ""
        self._decisions.count(decision, reason or "", part)
        self._model_decisions.count(model, decision, part)

    def model_used(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Count the tokens of a request to a model of the route and of its answer."""
        self._model_tokens.labels(model, "request").inc(input_tokens)
        self._model_tokens.labels(model, "result").inc(output_tokens)

    def limit_reached(self, limit: str) -> None:
        """Count a request that met the limit of this key."""
        self._limits.count(limit)

    def passed_unseen(self, sizes: Mapping[str, int]) -> None:
        """Count bytes that passed uninspected, by media type."""
        for media_type, size in sizes.items():
            kind = media_type.partition("/")[0]
            self._uninspected.labels(kind if kind in _KINDS else UNLISTED).inc(size)

    def engine(self, verdict: Verdict) -> None:
        self._engine_seconds.observe(verdict.milliseconds / 1000, verdict.engine, verdict.outcome)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request that was answered with this HTTP status, and how long it took."""
        self._request_seconds.observe(seconds, str(status))

    def state(self, readiness: Mapping[str, Any], tainted: int) -> None:
        """Set the gauges to what `/readyz` reports, so that an alert needs no second source."""
        bundle, audit = readiness["bundle"], readiness["audit"]
        values = {
            "ready": readiness["ready"],
            "bundle_sequence": bundle["sequence"],
            "bundle_expires": bundle.get("expires", 0),
            "bundle_source_well": not bundle.get("problem"),
            "origin_breaker_open": readiness["origin_breaker"] == "open",
            "tainted_principals": tainted,
            "audit_writable": audit["writable"],
            "audit_records": audit["sequence"],
            "audit_anchor_lag_records": audit["anchor_lag_records"] or 0,
            "audit_anchor_failures": audit["anchor"]["failures"] if audit["anchor"] else 0,
        }
        for name, value in values.items():
            self._gauges[name].set(value)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self.registry)
