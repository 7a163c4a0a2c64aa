"""As many engines run side by side as the free memory has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runs import engines_at_once


@pytest.mark.parametrize(("free", "engines"), [(100, 1), (500, 1), (900, 2), (1700, 4), (64_000, 4)])
def test_memory_bounds_the_engines(tmp_path: Path, free: int, engines: int) -> None:
    file = tmp_path / "meminfo"
    file.write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {free * 1024} kB\n", encoding="utf-8")
    assert engines_at_once(file) == engines


def test_where_the_system_does_not_say_the_usual_number_runs(tmp_path: Path) -> None:
    assert engines_at_once(tmp_path / "none") == 4
