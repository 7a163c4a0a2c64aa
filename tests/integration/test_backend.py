"""Backends whose address has parameters, as every Azure one and nearly every PostgreSQL one has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from engine.state import live_resources
from tests.support.engine_project import EngineProject
from tests.support.node import NotAvailable
from tests.support.state_backends import CREDENTIALS, postgres, s3

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


@pytest.mark.parametrize("server", [postgres, s3], ids=["postgres", "s3"])
def test_an_environment_lives_in_a_backend_that_a_team_shares(
    engine_project: EngineProject,
    server: Callable[[Path], AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    root = engine_project.project.root
    file = root / "Pulumi.yaml"
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(server(engine_project.home.parent))
        except NotAvailable as error:
            pytest.skip(f"pip could not fetch the servers, so no shared backend was tried: {error}")
        file.write_text(file.read_text("utf-8").replace(f"file://{root / '.ringwall' / 'state'}", address), "utf-8")
        assert address in file.read_text("utf-8")
        assert live_resources(engine_project.project, "dev", engine_project.target) is None
        engine_project.run("dev", "up")
        engine_project.pulumi("preview", "--stack", "dev", "--expect-no-changes")
        assert live_resources(engine_project.project, "dev", engine_project.target)
        engine_project.run("dev", "destroy")
        assert engine_project.sandbox.resources() == []
    assert not _stacks(root)


def _stacks(folder: Path) -> list[Path]:
    return list(folder.rglob("stacks/*/*.json"))
