"""The page of editions is what the table says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_table_says() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "generate_editions.py"))["editions_reference"]()
    assert (ROOT / "docs" / "reference" / "editions.md").read_text(encoding="utf-8") == made
