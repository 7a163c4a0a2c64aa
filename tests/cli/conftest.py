from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_line import flags, ringwall, serve_desk

SERVER = Path(__file__).parents[1] / "support/shelf_server.py"


@pytest.fixture(scope="module")
def desk() -> Iterator[str]:
    """URL of the official SDK's ticket desk on loopback."""
    yield from serve_desk("--port", "0")


@pytest.fixture(scope="module")
def exposed_desk() -> Iterator[str]:
    """The same server bound to every address; the URL given is the loopback one a user would write."""
    for url in serve_desk("--port", "0", "--host", "0.0.0.0"):
        yield url.replace("0.0.0.0", "127.0.0.1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with environment `dev`, one host, one agent and no server."""
    folder = tmp_path / "project"
    folder.mkdir()
    done = ringwall("init", "dev", "--project", folder, "--agent", "ci", *flags())
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def shelf(tmp_path: Path) -> Callable[..., str]:
    """Sets what a stdio server offers (name=description) and gives the command line that starts it."""
    offer = tmp_path / "offer.json"

    def set_offer(**tools: str) -> str:
        definitions = [{"name": name, "description": text} for name, text in tools.items()]
        offer.write_text(json.dumps(definitions), encoding="utf-8")
        return f"{sys.executable} {SERVER} {offer}"

    return set_offer
