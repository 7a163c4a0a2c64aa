"""The page of the guard's metrics is what their tables say, and the tables explain each label."""

from __future__ import annotations

import runpy
from pathlib import Path

from guard.metrics import COUNTERS, GAUGES, HISTOGRAMS, LABELS

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_tables_say() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "generate_metrics.py"))["metrics_reference"]()
    assert (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8") == made


def test_every_label_is_explained_and_none_that_is_not_used() -> None:
    families = [*COUNTERS.values(), *HISTOGRAMS.values(), *GAUGES.values()]
    assert {label for family in families for label in family.labels} == set(LABELS)
