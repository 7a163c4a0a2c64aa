"""The published figures are the measured ones, and the corpora are what docs/explain/detection.md says of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from guard.engines.embedded import EmbeddedVerdictEngine
from guard.inspect.verdict import Leg

HERE = Path(__file__).parent


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("detection_figures", HERE / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIGURES = _script()
CORPORA = (
    *FIGURES.CORPORA,
    *FIGURES.FORMS,
    *FIGURES.THIRD,
    *FIGURES.FOURTH,
    *FIGURES.FIFTH,
    *FIGURES.SIXTH,
)


def test_the_document_holds_exactly_what_the_engine_does_now() -> None:
    document = FIGURES.DOCUMENT.read_text(encoding="utf-8")
    assert document == FIGURES.written(document, FIGURES.report(EmbeddedVerdictEngine(FIGURES.TOOLS))), (
        "run: python tests/guard/detection/figures.py --write"
    )


def test_a_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        FIGURES.written("no markers", "tables")


def test_no_text_stands_in_both_corpora_or_twice_in_one() -> None:
    rows = [row for name in CORPORA for row in FIGURES.load(name)]
    assert len({str(row["text"]) for row in rows}) == len(rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_every_row_names_its_leg_label_and_category() -> None:
    for name in CORPORA:
        for row in FIGURES.load(name):
            assert set(row) == {"id", "leg", "label", "category", "text"}
            assert row["label"] in ("attack", "benign")
            assert row["category"]
            assert Leg(row["leg"])
