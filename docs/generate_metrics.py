"""Writes docs/reference/metrics.md from the guard's tables of metrics: `python docs/generate_metrics.py`, with --check to
compare only."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from guard.metrics import COUNTERS, GAUGES, HISTOGRAMS, LABELS, PREFIX, WORKER_COUNTERS, WORKER_GAUGES, MetricFamily
from operations.audit_export.meter import EXPORT_COUNTERS, EXPORT_GAUGES
from operations.audit_export.meter import PREFIX as EXPORT_PREFIX

DOCS = Path(__file__).parent

HEAD = """\
# Metrics

Made from the code: every metric that a guard serves on `/metrics` of its port on loopback, `guard_admin_port` (else
`guard_port` + 1000). [Monitoring](../operate/monitoring.md) says how to scrape it, and has a dashboard and alerts.

No label holds a caller, an argument or a text. Tool names are those of the tool lock: a name that only a caller made up is
counted as `other`. A counter keeps at most 10,000 series, and what is beyond them is counted as `other`.

| Metric | Kind | Labels | Meaning |
|---|---|---|---|
"""
EXPORT = """
## The export of the audit log

`ringwall audit export --metrics-port` serves these on loopback ([audit export](../operate/audit-export.md)).

| Metric | Kind | Meaning |
|---|---|---|
"""
LABEL_TABLE = """
## Labels

| Label | Meaning |
|---|---|
"""


def _rows() -> Iterator[tuple[str, str, MetricFamily]]:
    kinds: tuple[tuple[str, Mapping[str, MetricFamily], str], ...] = (
        ("counter", COUNTERS, "_total"),
        ("histogram", HISTOGRAMS, ""),
        ("gauge", GAUGES, ""),
        ("counter", WORKER_COUNTERS, "_total"),
        ("gauge", WORKER_GAUGES, ""),
    )
    for kind, families, ending in kinds:
        for name, family in families.items():
            yield f"{PREFIX}{name}{ending}", kind, family


def _export_rows() -> Iterator[tuple[str, str, str]]:
    for kind, texts, ending in (("counter", EXPORT_COUNTERS, "_total"), ("gauge", EXPORT_GAUGES, "")):
        for name, text in texts.items():
            yield f"{EXPORT_PREFIX}{name}{ending}", kind, text


def metrics_reference() -> str:
    """The whole page."""
    lines = [HEAD]
    for name, kind, family in _rows():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{name}` | {kind} | {labels} | {family.text} |\n")
    lines += [LABEL_TABLE, *(f"| `{label}` | {meaning} |\n" for label, meaning in LABELS.items())]
    lines += [EXPORT, *(f"| `{name}` | {kind} | {text} |\n" for name, kind, text in _export_rows())]
    return "".join(lines)


def main(check: bool) -> int:
    file, text = DOCS / "reference" / "metrics.md", metrics_reference()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name}: {'out of date, run `python docs/generate_metrics.py`' if check else 'written'}")
    if not check:
        file.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
