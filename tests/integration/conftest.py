from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.project import open_project
from sandbox import Sandbox
from tests.support.engine_project import EngineProject
from tests.support.projects import write_project
from tests.support.warm_ringwall import WarmRingwall


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmRingwall]:
    with WarmRingwall() as warm:
        yield warm


@pytest.fixture
def engine_project(tmp_path: Path) -> Iterator[EngineProject]:
    """Environment `dev` with one server, and the real engine with its own home."""
    root = write_project(tmp_path / "project")
    with Sandbox(tmp_path / "world") as sandbox:
        yield EngineProject(open_project(root), sandbox, tmp_path / "home")
    # After a failed run Pulumi's language server leaves its event loop open: let it be found here, where it is expected.
    gc.collect()
