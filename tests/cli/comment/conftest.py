from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.comment_runs import TEXT
from tests.support.github_api import TOKEN, GitHubStandIn, github_api


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GH_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)


@pytest.fixture
def hub() -> Iterator[GitHubStandIn]:
    with github_api() as stand_in:
        yield stand_in


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "dev.md").write_text(TEXT, encoding="utf-8")
    (folder / "report.json").write_text("{}", encoding="utf-8")
    return folder
