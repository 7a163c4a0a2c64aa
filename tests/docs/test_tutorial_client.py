"""The client of the tutorial prints what the page shows, through a real guard before the page's own server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import serve_desk
from tests.support.guard_process import Upstream, everything_granted, guard, lock_of
from tests.support.pages import DOCS, blocks
from tests.support.ports import free_port

TUTORIAL = DOCS / "start" / "tutorial.md"
ADDRESS = "http://127.0.0.1:9010/mcp"


@pytest.fixture
def desk() -> Iterator[str]:
    yield from serve_desk("--port", str(free_port()))


def test_the_tutorials_client_prints_what_the_page_shows(tmp_path: Path, desk: str) -> None:
    (program,) = (block.text for block in blocks(TUTORIAL) if block.language == "python")
    (shown,) = (lines for block in blocks(TUTORIAL) for command, lines in block.commands() if "client.py" in command)
    upstream = Upstream(url=desk)
    lock = lock_of(upstream)
    only_reading = everything_granted(lock, without=[tool.name for tool in lock.tools if tool.risk != "read"])
    with guard(upstream, tmp_path, lock=lock, grants=only_reading) as running:
        (tmp_path / "client.py").write_text(program.replace(ADDRESS, running.url))
        client = [sys.executable, str(tmp_path / "client.py")]
        done = subprocess.run(client, capture_output=True, text=True, timeout=60)
    assert ADDRESS in program
    assert (done.returncode, done.stderr) == (0, "")
    printed = [_without_ids(line) for line in done.stdout.splitlines()]
    assert [line for line in map(_without_ids, shown) if line.strip() not in ("…", "") and line not in printed] == []
    assert len(printed) > len(shown)


def _without_ids(line: str) -> str:
    return re.sub(r"[0-9a-f]{16}", "ID", line)
