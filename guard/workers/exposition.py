"""The metrics of all workers as those of one guard: what is counted is summed, a state is the worst of any worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from guard.metrics import PREFIX, WORKER_COUNTERS, WORKER_GAUGES

#: Gauges that are not summed.
_STATES: Mapping[str, Callable[[float, float], float]] = {
    "ready": min,
    "bundle_sequence": min,
    "bundle_expires": min,
    "bundle_source_well": min,
    "audit_writable": min,
    "origin_breaker_open": max,
    "tainted_principals": max,
}
_COUNTED = ("counter", "histogram")

#: The value of each series: its name and its labels.
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class _Family:
    """One metric with its series."""

    def __init__(self, name: str, text: str, kind: str) -> None:
        self.name = name
        self.text = text
        self.kind = kind
        self.series: Series = {}

    def add(self, series: Series) -> None:
        joining = self._joining()
        for key, value in series.items():
            self.series[key] = joining(self.series[key], value) if key in self.series else value

    def _joining(self) -> Callable[[float, float], float]:
        if self.name.endswith("_created"):
            return min
        return _STATES.get(self.name.removeprefix(PREFIX), float.__add__)


class Expositions(Collector):
    """The metrics of workers. What a worker counted that has ended counts on, as it was when it was last read."""

    def __init__(self) -> None:
        self._latest: dict[int, dict[str, _Family]] = {}
        self._ended: dict[str, _Family] = {}
        self._shown: list[_Family] = []

    def keep(self, worker: int) -> None:
        """A worker has ended: keep what it counted."""
        counted = {name: family for name, family in self._latest.pop(worker, {}).items() if family.kind in _COUNTED}
        _join(self._ended, counted.values())

    def joined(self, texts: Mapping[int, str], *, losses: int, readiness: Mapping[str, Any]) -> bytes:
        """The exposition of all workers, of which `texts` has each one's own."""
        joint: dict[str, _Family] = {}
        _join(joint, self._ended.values())
        for worker, text in sorted(texts.items()):
            self._latest[worker] = _read(text)
            _join(joint, self._latest[worker].values())
        states = {"ready": readiness["ready"], "bundle_source_well": not readiness["bundle"].get("problem")}
        for name, value in states.items():
            if (family := joint.get(PREFIX + name)) is not None:
                family.series = {(PREFIX + name, ()): float(value)}
        workers = (("counter", WORKER_COUNTERS, "_total", losses), ("gauge", WORKER_GAUGES, "", len(texts)))
        for kind, families, ending, number in workers:
            for name, described in families.items():
                family = joint[PREFIX + name] = _Family(PREFIX + name, described.text, kind)
                family.series[PREFIX + name + ending, ()] = float(number)
        self._shown = list(joint.values())
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        for family in self._shown:
            metric = Metric(family.name, family.text, family.kind)
            for (name, labels), value in family.series.items():
                metric.add_sample(name, dict(labels), value)
            yield metric


def _read(text: str) -> dict[str, _Family]:
    families: dict[str, _Family] = {}
    for metric in text_string_to_metric_families(text):
        family = families[metric.name] = _Family(metric.name, metric.documentation, metric.type)
        family.series = {
            (sample.name, tuple(sorted(sample.labels.items()))): float(sample.value) for sample in metric.samples
        }
    return families


def _join(joint: dict[str, _Family], families: Iterable[_Family]) -> None:
    for family in families:
        known = joint.get(family.name)
        if known is None:
            known = joint[family.name] = _Family(family.name, family.text, family.kind)
        known.add(family.series)
