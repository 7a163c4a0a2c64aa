"""Backends whose address has parameters, as every Azure one and nearly every PostgreSQL one has."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.state import live_resources
from tests.support.engine_project import EngineProject

pytestmark = pytest.mark.engine


def test_a_backend_address_with_parameters_is_one_backend_to_ringwall_and_to_pulumi(
    engine_project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = engine_project.project.root
    state = root / "elsewhere"
    state.mkdir()
    address = f"file://{state}?no_tmp_dir=true&metadata=skip"
    file = root / "Pulumi.yaml"
    file.write_text(file.read_text("utf-8").replace(f"file://{root / '.ringwall' / 'state'}", address), "utf-8")
    assert address in file.read_text("utf-8")

    engine_project.run("dev", "up")
    engine_project.pulumi("preview", "--stack", "dev", "--expect-no-changes")
    monkeypatch.setenv("PULUMI_BACKEND_URL", address)
    assert engine_project.run("dev", "preview").steps.changed == []
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    assert live_resources(engine_project.project, "dev", engine_project.target)
    engine_project.run("dev", "destroy")
    assert engine_project.sandbox.resources() == []
    assert [path.name for path in _stacks(state)] == ["dev.json"]
    assert not _stacks(root / ".ringwall")
    assert not [path for path in root.iterdir() if "?" in path.name]


def _stacks(folder: Path) -> list[Path]:
    return list(folder.rglob("stacks/*/*.json"))
