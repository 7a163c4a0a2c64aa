"""Tables that a make target writes into a page of the documentation, between its marks."""

from __future__ import annotations

from pathlib import Path


def write_table(page: Path, target: str, text: str) -> None:
    """Put what a make target found between its marks on the page."""
    begin, end = f"<!-- table of `make {target}` -->\n", f"<!-- end of the table of `make {target}` -->\n"
    before, opening, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not (opening and closing):
        raise SystemExit(f"{page}: the marks {begin} and {end} are not there")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
