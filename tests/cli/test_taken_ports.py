"""What listens on a developer's machine on the ports of the example files changes nothing that a test sees."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.project import load_environment, open_project
from operations.doctor import guard as doctor_guard
from tests.support.command_line import ringwall
from tests.support.example_ports import PORTS
from tests.support.projects import write_project

TAKEN = (3000, 8000, 8001, 8080, 9010, 10010)


@pytest.fixture
def strangers() -> Iterator[None]:
    """Somebody on each of the ports; where a port is taken already, that is somebody too."""
    with contextlib.ExitStack() as running:
        for port in TAKEN:
            with contextlib.suppress(OSError):
                running.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


@pytest.mark.usefixtures("strangers")
def test_a_strangers_program_is_not_taken_for_a_part_of_the_project(tmp_path: Path) -> None:
    assert set(TAKEN) <= PORTS
    root = write_project(tmp_path)
    manifest = load_environment(open_project(root), "dev").servers["one"].manifest
    assert (manifest.origin.port, manifest.guard_port) == (3000, 9010)
    for port in TAKEN:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=30)
    assert doctor_guard._server(manifest, "dev.one").message.startswith("nothing answers on port 3000")
    asked = ringwall("lock", "diff", "dev.one", "--project", root)
    assert asked.code == 6
